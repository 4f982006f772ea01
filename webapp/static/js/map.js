// Every host a square, grouped by batch: five hundred at one glance, walked with the arrow keys.

import { element, setClass } from "./dom.js";
import { squareClass } from "./marks.js";
import { tell, word } from "./states.js";
import { fill, gettext, number } from "./words.js";

export class HostMap {
  /** @param onPick a host was chosen @param onLook a host is pointed at, or null */
  constructor(root, { model, onPick, onLook }) {
    Object.assign(this, { root, model, onPick, onLook });
    this.cells = new Map();
    this.order = [];
    root.addEventListener("click", (event) => this.#at(event, (name) => this.#pick(name)));
    root.addEventListener("mouseover", (event) =>
      onLook(event.target.closest("button.sq")?.dataset.host ?? null),
    );
    root.addEventListener("mouseleave", () => onLook(null));
    root.addEventListener("focusin", (event) => this.#at(event, onLook));
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param label by which hosts are grouped; "" for batches */
  build(label = "") {
    this.cells.clear();
    const groups = this.model.groups(label).map(({ value, hosts }) => {
      const cells = element("div", { class: "cells" });
      for (const { name } of hosts) {
        const cell = element("button", {
          type: "button",
          class: "sq",
          tabindex: "-1",
          role: "gridcell",
          "data-host": name,
        });
        this.cells.set(name, cell);
        cells.append(cell);
      }
      const head = element(
        "div",
        { class: "head", role: "rowheader" },
        element("b", {}, label ? value || gettext("no label") : fill(gettext("Batch %(n)s"), { n: value })),
        ` ${number(hosts.length)}`,
      );
      return element("div", { class: "grp", role: "row" }, head, cells);
    });
    this.root.replaceChildren(...groups);
    this.order = [...this.cells.keys()];
    this.paint(this.order);
  }

  /** Draw these hosts anew. */
  paint(names) {
    for (const name of names) {
      const cell = this.cells.get(name);
      const host = this.model.hosts.get(name);
      if (!cell || !host) continue;
      setClass(cell, this.#classes(host));
      cell.setAttribute(
        "aria-label",
        `${name}: ${["running", "slow"].includes(host.shown) ? tell(host)[0] : word(host.shown)}`,
      );
    }
  }

  /** The focus goes to the next host that failed. Gives whether there is one. */
  nextFailure() {
    if (this.root.hidden) return false;
    const i = this.order.indexOf(document.activeElement.dataset?.host ?? this.chosen);
    const around = [...this.order.slice(i + 1), ...this.order.slice(0, i)];
    const next = around.find((name) => this.model.hosts.get(name).shown === "failed");
    if (next) this.#focus(next);
    return Boolean(next);
  }

  #focus(name) {
    for (const cell of this.root.querySelectorAll("[tabindex='0']")) cell.tabIndex = -1;
    this.cells.get(name).tabIndex = 0;
    this.cells.get(name).focus();
  }

  /** Which one is chosen, and which show: `shows(host)`. */
  mark(chosen, shows) {
    this.chosen = chosen;
    this.shows = shows;
    const stop = this.cells.has(chosen) ? chosen : this.order[0];
    for (const [name, cell] of this.cells) {
      setClass(cell, this.#classes(this.model.hosts.get(name)));
      cell.tabIndex = name === stop ? 0 : -1;
    }
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
    const to = this.#towards(event.key, name);
    if (to === undefined) return;
    event.preventDefault();
    this.#focus(to);
  }

  #towards(key, name) {
    const i = this.order.indexOf(name);
    switch (key) {
      case "ArrowRight":
        return this.order[i + 1];
      case "ArrowLeft":
        return this.order[i - 1];
      case "Home":
        return this.order[0];
      case "End":
        return this.order.at(-1);
      case "ArrowDown":
        return this.#vertical(name, 1);
      case "ArrowUp":
        return this.#vertical(name, -1);
      default:
        return undefined;
    }
  }


  /** The nearest square of the nearest row above or below. */
  #vertical(name, way) {
    const here = this.cells.get(name).getBoundingClientRect();
    let best;
    for (const [other, cell] of this.cells) {
      const there = cell.getBoundingClientRect();
      const rows = way * (there.top - here.top);
      if (rows < 4) continue;
      const far = [rows, Math.abs(there.left - here.left)];
      if (!best || far[0] < best.far[0] - 2 || (far[0] < best.far[0] + 2 && far[1] < best.far[1]))
        best = { other, far };
    }
    return best?.other;
  }
}
