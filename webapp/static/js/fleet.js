// The hosts of the job: as squares or as a table, grouped, and only those that one wants to see.
// What one wants to see is the place, which lives in the address.

import { Copying } from "./copy.js";
import { setText } from "./dom.js";
import { finder } from "./finding.js";
import { HostMap } from "./map.js";
import * as place from "./place.js";
import { HostTable } from "./table.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Up to so many hosts are told apart best in a table, more as squares. */
const TABLE_UP_TO = 60;
/** Fewer are found at a glance. */
const SEARCHED_FROM = 10;

const byId = (id) => document.getElementById(id);

export class Fleet {
  #model;
  #here;
  #on;
  #map;
  #table;
  #copy;

  /**
   * @param here the place, see place.js @param on `onPick` and `onLook` of a host by its name,
   * `ofCause(key)`: names of the hosts of a cause, `chosen()`: the host that is open, `needSteps`:
   * the steps of hosts show, `onTurn`: others show
   */
  constructor({ model, here }, on) {
    this.#model = model;
    this.#here = here;
    this.#on = on;
    this.#map = new HostMap(byId("map"), { model, ...on });
    this.#table = new HostTable(byId("table"), { model, ...on });
    this.#copy = new Copying(byId("copy"), (what) =>
      this.listed().map((name) => model.hosts.get(name)[what]).filter(Boolean),
    );
    byId("show-all").addEventListener("click", () => this.showAll());
    this.#takeWords(byId("find"));
    byId("view").addEventListener("click", ({ target }) => {
      here.view = target.dataset.view ?? here.view;
      this.#turn();
    });
    byId("group").addEventListener("change", () => {
      here.group = byId("group").value;
      this.#map.build(here.group);
      this.#turn();
    });
  }

  /** By which labels hosts can be grouped is known with the list. */
  load() {
    const here = this.#here;
    const labels = this.#model.labels();
    if (!labels.includes(here.group)) here.group = "";
    const options = labels.map(
      (label) => new Option(fill(gettext("by %(label)s"), { label }), label),
    );
    byId("group").replaceChildren(new Option(gettext("by batch"), ""), ...options);
    byId("group").value = here.group;
    this.#map.build(here.group);
  }

  /** One more state shows, or one less. */
  toggle(shown) {
    const show = new Set(this.#here.show);
    if (!show.delete(shown)) show.add(shown);
    this.filter({ show, cause: this.#here.cause });
  }

  filter({ show, cause }) {
    Object.assign(this.#here, { show: new Set(show), cause });
    this.#turn();
  }

  /** Gives whether some did not show. */
  showAll() {
    if (!this.#here.show.size && !this.#here.cause && !this.#here.find) return false;
    byId("find").value = this.#here.find = "";
    this.filter({ show: [], cause: "" });
    return true;
  }

  /** Where hosts are searched; gives whether they are, here. */
  find() {
    byId("find").focus();
    return document.activeElement === byId("find");
  }

  /** The focus goes to the next of those that show and failed. Gives whether there is one. */
  nextFailure() {
    const view = byId("table").hidden ? this.#map : this.#table;
    const shows = this.#shows() ?? (() => true);
    const from = document.activeElement.closest("[data-host]")?.dataset.host ?? this.#on.chosen();
    const at = view.order.indexOf(from);
    const next = [...view.order.slice(at + 1), ...view.order.slice(0, Math.max(0, at))].find((name) => {
      const host = this.#model.hosts.get(name);
      return host.shown === "failed" && shows(host);
    });
    if (next) view.focus(next);
    return Boolean(next);
  }

  /** The hosts that show, in their order. */
  listed() {
    return this.#listed(this.#shows());
  }

  #listed(shows) {
    const hosts = [...this.#model.hosts.values()];
    return (shows ? hosts.filter(shows) : hosts).map(({ name }) => name);
  }

  /** @param names hosts that changed; `all`: what shows may be another */
  paint(names, { all }) {
    const shows = this.#shows();
    const listed = this.#listed(shows);
    const asTable = this.#here.view ? this.#here.view === "table" : listed.length <= TABLE_UP_TO;
    const turned = asTable === byId("table").hidden;
    byId("map").hidden = asTable;
    byId("keys").hidden = byId("steps").hidden = asTable;
    byId("group").hidden = asTable || byId("group").length < 2;
    byId("table").hidden = !asTable || listed.length === 0;
    byId("find").hidden = this.#model.hosts.size < SEARCHED_FROM && !this.#here.find;
    byId("none").hidden = listed.length > 0;
    for (const button of byId("view").children)
      button.setAttribute("aria-pressed", String((button.dataset.view === "table") === asTable));
    this.#count(listed.length);
    this.#copy.paint(listed.length > 0 && listed.length < this.#model.hosts.size);
    if (asTable) {
      this.#table.list(listed);
      this.#table.paint(all || turned ? listed : names);
      this.#on.needSteps();
    } else {
      this.#map.filter(shows);
      this.#map.paint(all || turned ? this.#model.hosts.keys() : names);
    }
    if (all || turned) this.mark();
  }

  /** Another host is open. */
  mark() {
    this.#map.choose(this.#on.chosen());
    this.#table.mark(this.#on.chosen());
  }

  tick(now) {
    this.#table.tick(now);
  }

  /** Which hosts show, as `shows(host)`; null: all of them. */
  #shows() {
    const { show, cause, find } = this.#here;
    const ofCause = cause ? this.#on.ofCause(cause) : null;
    const found = finder(find, (name) => this.#model.hosts.has(name));
    if (!show.size && !ofCause && !found) return null;
    return (host) =>
      (!show.size || show.has(host.shown)) &&
      (!ofCause || ofCause.has(host.name)) &&
      (!found || found(host));
  }

  /** As one types; Enter opens the first that is found. */
  #takeWords(field) {
    field.value = this.#here.find;
    field.addEventListener("input", () => {
      this.#here.find = field.value;
      this.#on.onTurn();
    });
    field.addEventListener("change", () => place.write(this.#here));
    field.addEventListener("keydown", (event) => {
      const [first] = this.listed();
      if (event.key === "Enter" && first) this.#on.onPick(first);
      if (event.key !== "Escape") return;
      if (!this.#here.find) field.blur();
      field.value = this.#here.find = "";
      this.#turn();
    });
  }

  #turn() {
    place.write(this.#here);
    this.#on.onTurn();
  }

  #count(listed) {
    const total = this.#model.hosts.size;
    const some = ngettext("%(n)s of %(total)s", "%(n)s of %(total)s", listed);
    const numbers = { n: number(listed), total: number(total) };
    setText(byId("hosts-n"), listed === total ? number(total) : fill(some, numbers));
  }
}
