// All events of the job but output, newest first: read as far as somebody scrolls, and live on top.

import { element, setText } from "./dom.js";
import { fits, narrow, ofKind } from "./narrowing.js";
import { read, Refused } from "./reading.js";
import { retoldIn } from "./retelling.js";
import { Rows } from "./rows.js";
import { told } from "./telling.js";
import { clock, fill, gettext, moment, ngettext, number } from "./words.js";

const ROW = 24; // pixels, as in timeline.css
const KINDS = [
  ["", gettext("all kinds")],
  ["order", gettext("orders")],
  ["job", gettext("the job")],
  ["batch", gettext("batches")],
  ["host", gettext("hosts")],
  ["step", gettext("steps")],
  ["link", gettext("connections")],
  ["note", gettext("notes")],
];
const OF = Object.fromEntries(KINDS);
const NOTHING = gettext("No host, step, kind or outcome of this job is called “%(word)s”.");

export class Story {
  #root;
  #url;
  #here;
  #known;
  #parts;
  #on;
  #rows;
  #items = [];
  #before = undefined; // where older ones begin; null: there are none, undefined: none was read
  #newest = 0;
  #filter = null; // of what is shown, as it was typed
  #wanted = {}; // the same, as it is asked for
  #asked = 0; // which question the page waits for
  #reading = false;
  #late = []; // what came while the first page was read
  #at = 0;

  /**
   * @param root the section, its parts marked data-story @param url of the job's story
   * @param here the place: `events`, which of them show @param on `has(name)`: whether a host is in
   * the job; `onPick` a host; `onTurn`: `here` is another; `onRefused`
   */
  constructor(root, { url, steps, here }, on) {
    this.#here = here;
    this.#known = { has: on.has, steps, kinds: KINDS.map(([kind]) => kind).filter(Boolean) };
    this.#url = url;
    this.#on = on;
    this.#parts = Object.fromEntries(
      [...root.querySelectorAll("[data-story]")].map((part) => [part.dataset.story, part]),
    );
    const { grid, kind, words } = this.#parts;
    this.#rows = new Rows(grid, { row: ROW, draw: (i) => this.#row(i) });
    kind.append(...KINDS.map(([value, text]) => new Option(text, value)));
    words.value = here.events;
    // "search" is the cross in the field, which changes it without leaving it.
    for (const told of ["change", "search"]) words.addEventListener(told, () => this.#turn());
    kind.addEventListener("change", () => {
      words.value = ofKind(words.value, kind.value);
      this.#turn();
    });
    grid.addEventListener("scroll", () => this.#more());
    grid.addEventListener("focus", () => this.#look(this.#at));
    grid.addEventListener("keydown", (event) => this.#key(event));
    grid.addEventListener("click", ({ target }) => {
      const row = target.closest("[data-i]");
      if (row) this.#look(Number(row.dataset.i));
    });
    grid.addEventListener("dblclick", () => this.#pick());
    this.#root = root;
  }

  /** Once all above it is drawn: before, it would be in view without anybody looking. */
  begin() {
    new IntersectionObserver((entries) => {
      const seen = entries.at(-1).isIntersecting;
      if (seen && this.#before === undefined && !this.#reading) this.reload();
    }).observe(this.#root);
  }

  /** Read anew: another filter, or some events went by unseen. */
  reload() {
    const { kind, words, none } = this.#parts;
    this.#filter = words.value;
    const { odd, ...wanted } = narrow(words.value, this.#known);
    this.#wanted = wanted;
    kind.value = wanted.kind ?? "";
    words.setAttribute("aria-invalid", String(Boolean(odd)));
    this.#asked += 1;
    this.#reading = false;
    this.#items = [];
    this.#before = null;
    this.#at = 0;
    this.#parts.grid.scrollTop = 0;
    setText(none, odd ? fill(NOTHING, { word: odd }) : gettext("reading…"));
    this.#paint();
    if (odd) return;
    this.#before = undefined;
    this.#late = [];
    this.#read();
  }

  /** Some events went by that we were not told. */
  skipped() {
    if (this.#before !== undefined) this.reload();
  }

  /** What is live comes on top; what one reads stays where it is. */
  add(items) {
    if (this.#before === undefined) {
      if (this.#reading) this.#late.push(...items);
      return;
    }
    const fresh = items.filter((item) => item.s > this.#newest && this.#fits(item));
    this.#newest = Math.max(this.#newest, items.at(-1)?.s ?? 0);
    if (!fresh.length) return;
    const { grid } = this.#parts;
    this.#items.unshift(...fresh.reverse());
    if (grid.scrollTop || document.activeElement === grid) {
      this.#at += fresh.length;
      this.#paint();
      grid.scrollTop += fresh.length * ROW;
    }
    this.#paint();
  }

  /** A field tells its change when one leaves it: by then it may have been read with another's. */
  #turn() {
    const { words } = this.#parts;
    if (this.#filter === words.value) return;
    this.#here.events = words.value.trim();
    this.#on.onTurn();
    this.reload();
  }

  #fits(item) {
    return item.k !== "output" && item.k in OF && fits(item, this.#wanted);
  }

  #more() {
    const { grid } = this.#parts;
    if (grid.scrollTop + 2 * grid.clientHeight > this.#items.length * ROW) this.#read();
  }

  async #read() {
    if (this.#reading || this.#before === null) return;
    this.#reading = true;
    const mine = this.#asked;
    const wanted = () => mine === this.#asked;
    const { none } = this.#parts;
    const before = this.#before ? { before: this.#before } : {};
    const query = new URLSearchParams({ ...before, ...this.#wanted });
    try {
      const page = await read(`${this.#url}?${query}`, { wanted });
      if (!wanted()) return;
      retoldIn(...page.events);
      const first = this.#before === undefined;
      if (first) this.#newest = Math.max(page.last_seq, page.events[0]?.s ?? 0);
      this.#before = page.before;
      this.#items.push(...page.events);
      if (first) this.add(this.#late.splice(0));
      setText(none, gettext("Nothing of that kind has happened."));
      this.#paint();
    } catch (error) {
      if (error instanceof Refused) this.#on.onRefused();
      else if (wanted()) throw error;
    } finally {
      if (wanted()) this.#reading = false;
    }
    this.#more();
  }

  #paint() {
    const { grid, n, none } = this.#parts;
    const count = this.#items.length;
    this.#rows.count = count;
    grid.setAttribute("aria-rowcount", this.#before === null ? count : -1);
    none.hidden = count > 0;
    grid.hidden = count === 0;
    const many = ngettext("%(n)s event", "%(n)s events", count);
    const some = ngettext("the newest %(n)s", "the newest %(n)s", count);
    setText(n, count ? fill(this.#before === null ? many : some, { n: number(count) }) : "");
    this.#rows.paint();
  }

  #row(i) {
    const item = this.#items[i];
    const cell = (name, ...text) => element("span", { role: "gridcell", class: name }, ...text);
    return element(
      "div",
      {
        class: i === this.#at ? "s-row here" : "s-row",
        role: "row",
        id: `story-${i}`,
        "data-i": i,
        "aria-rowindex": i + 1,
      },
      cell("num", `#${number(item.s)}`),
      cell("", element("time", { datetime: item.at, title: moment(item.at) }, clock(item.at))),
      cell("", OF[item.k] ?? item.k),
      cell("s-host", item.h ?? ""),
      cell("s-told", told(item)),
    );
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = this.#rows.visible;
    const to = {
      ArrowDown: this.#at + 1,
      ArrowUp: this.#at - 1,
      PageDown: this.#at + page,
      PageUp: this.#at - page,
      Home: 0,
      End: this.#items.length - 1,
    }[event.key];
    if (to !== undefined) this.#look(to);
    else if (event.key === "Enter") this.#pick();
    else return;
    event.preventDefault();
  }

  #look(to) {
    if (!this.#items.length) return;
    this.#at = Math.max(0, Math.min(this.#items.length - 1, to));
    this.#rows.reveal(this.#at);
    this.#rows.paint();
    const item = this.#items[this.#at];
    const [name, text] = this.#parts.said.querySelectorAll("b, span");
    setText(name, item.h ?? "");
    setText(text, told(item));
    this.#parts.grid.setAttribute("aria-activedescendant", `story-${this.#at}`);
    this.#more();
  }

  #pick() {
    const host = this.#items[this.#at]?.h;
    if (host && this.#on.has(host)) this.#on.onPick(host);
  }
}
