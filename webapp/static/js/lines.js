// Lines of which only those in view are in the page, however many there are. What is not there
// takes up its room, so that the scroll bar tells the truth.

import { element, svg } from "./dom.js";

/** Rows kept above and below what is in view. */
const AROUND = 60;
/** Rows of those that may come into view before others are brought. */
const NEAR = 20;
/** Browsers lay out no more pixels than some millions; beyond, the room of a line shrinks. */
const MOST = 8e6;

/** Which places to have in the page: `{from, to}`, around what is in view. */
export function around(first, rows, { low, end }) {
  const from = Math.max(low, Math.min(first - AROUND, end - rows - AROUND));
  return { from, to: Math.min(end, Math.max(first, low) + rows + AROUND) };
}

/** The room of a line that is not in the page, in pixels. */
export function room(lines, height) {
  return Math.min(height, MOST / Math.max(1, lines));
}

export class Lines {
  #above = svg("svg", { class: "room", width: 1, height: 0, "aria-hidden": "true" });
  #below = svg("svg", { class: "room", width: 1, height: 0, "aria-hidden": "true" });
  #list = element("ol");
  #rows = new Map(); // place -> {row, look}
  #scroller;
  #source;

  /**
   * @param scroller the element that scrolls @param source `low`, `end`: places that there are;
   * `look(place)`: what a row depends on; `draw(place)`: a row; `need(from, to)`: told what is shown
   */
  constructor(scroller, source) {
    this.#scroller = scroller;
    this.#source = source;
    this.root = element("div", { class: "lines" }, this.#above, this.#list, this.#below);
    this.from = this.to = null;
  }

  /** Draw what is in view, which stays where it is; with `stick`, the end. */
  paint({ stick = false } = {}) {
    const { low, end } = this.#source;
    const rows = this.#rowsInView();
    if (stick) return this.#show(around(end - rows, rows, { low, end }));
    const kept = this.from === null ? null : this.#firstInView();
    if (kept) {
      const near = kept.place - NEAR > this.from || this.from === low;
      const far = kept.place + rows + NEAR < this.to || this.to >= end;
      const range = near && far ? { from: this.from, to: Math.max(this.to, Math.min(end, this.from + rows + 2 * AROUND)) } : around(kept.place, rows, { low, end });
      this.#show({ from: Math.max(low, range.from), to: Math.min(end, range.to) });
      return this.#put(kept.place, kept.top);
    }
    const top = this.#scrolledIn();
    // None of its rows is in view, at most the edge below them: it brings itself nowhere.
    const after = top > this.root.offsetHeight - this.#height;
    if (this.from !== null && (after || -top >= this.#scroller.clientHeight))
      return this.#show({ from: Math.max(low, Math.min(this.from, end)), to: Math.min(this.to, end) });
    const first = Math.max(low, Math.min(end - 1, low + Math.floor(top / this.#room)));
    this.#show(around(first, rows, { low, end }));
    if (top > 0) this.#put(first, 0);
  }

  /** What puts the rows in view back to where they are now; null where none is in view. */
  anchor() {
    const kept = this.#firstInView();
    return kept && (() => this.#put(kept.place, kept.top));
  }

  /** Bring one line into the upper half of the view. */
  reveal(place) {
    const rows = this.#rowsInView();
    this.#show(around(place - Math.floor(rows / 3), rows, this.#source));
    this.#put(place, this.#scroller.clientHeight / 3);
  }

  get #room() {
    return room(this.#source.end - this.#source.low, this.#height);
  }

  get #height() {
    this.lineHeight ||= parseFloat(getComputedStyle(this.root).lineHeight) || 19;
    return this.lineHeight;
  }

  #rowsInView() {
    return Math.ceil(this.#scroller.clientHeight / this.#height);
  }

  /** Pixels of the list above the upper edge of the view. */
  #scrolledIn() {
    return this.#scroller.getBoundingClientRect().top - this.root.getBoundingClientRect().top;
  }

  #firstInView() {
    const edge = this.#scroller.getBoundingClientRect();
    let cut = null;
    for (const [place, { row }] of this.#rows) {
      const { top, bottom } = row.getBoundingClientRect();
      // One that is in view as a whole: of others the part that is not may grow or shrink.
      if (top >= edge.top) return top < edge.bottom ? { place, top: top - edge.top } : cut;
      if (bottom > edge.top) cut = { place, top: top - edge.top };
    }
    return cut;
  }

  /** Scroll so that a row is so many pixels below the upper edge. */
  #put(place, top) {
    const row = this.#rows.get(place)?.row;
    if (!row) return;
    const now = row.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
    if (Math.abs(now - top) >= 1) this.#scroller.scrollTop += now - top;
  }

  #show({ from, to }) {
    const { low, end } = this.#source;
    Object.assign(this, { from, to });
    this.#source.need(from, to);
    const rows = new Map();
    for (let place = from; place < to; place += 1) {
      const look = this.#source.look(place);
      const known = this.#rows.get(place);
      rows.set(place, known?.look === look ? known : { look, row: this.#source.draw(place) });
    }
    this.#lay(rows);
    this.#above.setAttribute("height", Math.round((from - low) * this.#room));
    this.#below.setAttribute("height", Math.round((end - to) * this.#room));
  }

  /** Rows that stay are not touched: a selection in them survives. */
  #lay(rows) {
    for (const [place, { row }] of this.#rows) if (rows.get(place)?.row !== row) row.remove();
    let next = this.#list.firstChild;
    for (const { row } of rows.values()) {
      if (row === next) next = next.nextSibling;
      else this.#list.insertBefore(row, next);
    }
    this.#rows = rows;
  }
}
