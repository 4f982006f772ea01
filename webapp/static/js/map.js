// Every host a square, grouped by batch: five hundred at one glance, walked with the arrow keys.

import { element, setClass } from "./dom.js";
import { towards } from "./lattice.js";
import { squareClass } from "./marks.js";
import { tell, word } from "./states.js";
import { fill, gettext, number } from "./words.js";

/** Squares that the browser draws together, or leaves undrawn until they come into view. Whole rows
 * of 75, 50, 25 and 20. */
const PIECE = 600;
/** With more hosts than that squares are smaller, for one glance still holds them all. */
const DENSE = 2000;

export class HostMap {
  /** @param onPick a host was chosen @param onLook a host is pointed at, or null */
  constructor(root, { model, onPick, onLook }) {
    Object.assign(this, { root, model, onPick, onLook });
    /** Name of a host -> its square. */
    this.cells = new Map();
    /** Name of a host -> what its square is called, which is dear to ask a page of thousands. */
    this.said = new Map();
    /** Names of hosts as they stand. */
    this.order = [];
    /** `{first, size}`, places in that order. */
    this.groups = [];
    root.addEventListener("click", (event) => this.#at(event, (name) => this.#pick(name)));
    root.addEventListener("mouseover", (event) =>
      onLook(event.target.closest("button.sq")?.dataset.host ?? null),
    );
    root.addEventListener("mouseleave", () => onLook(null));
    root.addEventListener("focusin", (event) => this.#at(event, onLook));
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Every host its square, still to be painted. @param label by which hosts are grouped; "" for
   * batches */
  build(label = "") {
    const before = this.cells;
    this.cells = new Map();
    this.groups = [];
    const groups = this.model.groups(label).map(({ value, hosts }) => {
      this.groups.push({ first: this.cells.size, size: hosts.length });
      const head = element(
        "div",
        { class: "head", role: "rowheader" },
        element("b", {}, label ? value || gettext("no label") : fill(gettext("Batch %(n)s"), { n: value })),
        ` ${number(hosts.length)}`,
      );
      return element("div", { class: "grp", role: "row" }, head, this.#squares(hosts, before));
    });
    this.order = [...this.cells.keys()];
    this.place = new Map(this.order.map((name, i) => [name, i]));
    this.root.classList.toggle("dense", this.cells.size > DENSE);
    this.root.replaceChildren(...groups);
  }

  #squares(hosts, before) {
    const pieces = element("div", { class: "pieces" });
    for (let first = 0; first < hosts.length; first += PIECE) {
      const some = hosts.slice(first, first + PIECE);
      const cells = element("div", { class: "cells" }, ...some.map(({ name }) => this.#square(name, before)));
      cells.style.setProperty("--n", some.length);
      pieces.append(cells);
    }
    return pieces;
  }

  /** The one it had before: only its place is another. */
  #square(name, before) {
    const cell =
      before.get(name) ??
      element("button", {
        type: "button",
        class: "sq",
        tabindex: "-1",
        role: "gridcell",
        "data-host": name,
      });
    this.cells.set(name, cell);
    return cell;
  }

  /** Draw these hosts anew. */
  paint(names) {
    for (const name of names) {
      const cell = this.cells.get(name);
      const host = this.model.hosts.get(name);
      if (!cell || !host) continue;
      setClass(cell, this.#classes(host));
      const moves = host.shown === "running" || host.shown === "slow";
      const said = `${name}: ${moves ? tell(host)[0] : word(host.shown)}`;
      if (this.said.get(name) === said) continue;
      this.said.set(name, said);
      cell.setAttribute("aria-label", said);
    }
  }

  focus(name) {
    this.#stopAt(name);
    this.cells.get(name).focus();
  }

  /** The one square that Tab leads to. */
  #stopAt(name) {
    if (this.stop) this.stop.tabIndex = -1;
    this.stop = this.cells.get(name);
    if (this.stop) this.stop.tabIndex = 0;
  }

  /** Which one is open. */
  choose(name) {
    const before = this.chosen;
    this.chosen = name;
    this.#stopAt(this.cells.has(name) ? name : this.order[0]);
    this.paint([before, name]);
  }

  /** Which ones show: `shows(host)`; null: all of them. Drawn with the next paint. */
  filter(shows) {
    this.shows = shows;
  }

  #classes(host) {
    const off = this.shows && !this.shows(host) ? " off" : "";
    const chosen = host.name === this.chosen ? " sel" : "";
    return squareClass(host.shown, this.model.progress(host)) + off + chosen;
  }

  #at(event, then) {
    const name = event.target.closest("button.sq")?.dataset.host;
    if (name) then(name);
  }

  #pick(name) {
    this.onPick(name);
    this.cells.get(name)?.focus();
  }

  #key(event) {
    const name = event.target.closest("button.sq")?.dataset.host;
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = towards(event.key, this.place.get(name), this.groups, this.#columns());
    if (to === undefined) return;
    event.preventDefault();
    this.focus(this.order[to]);
  }

  /** How many squares there are to a row is the style sheet's to say. */
  #columns() {
    const cells = this.root.querySelector(".cells");
    return Number(getComputedStyle(cells).getPropertyValue("--cols"));
  }
}
