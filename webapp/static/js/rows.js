// Rows of one height, of which only those in view are in the page, however many there are.

import { element, svg } from "./dom.js";

/** Rows kept above and below what is in view. */
const AROUND = 8;

/** Which rows to have in the page: `{from, to}`. */
export function inView(top, height, { row, count }) {
  const from = Math.max(0, Math.floor(top / row) - AROUND);
  return {
    from: Math.min(from, count),
    to: Math.min(count, Math.ceil((top + height) / row) + AROUND),
  };
}

export class Rows {
  #scroller;
  #row;
  #draw;
  #above = svg("svg", { class: "room", width: 1, height: 0, "aria-hidden": "true" });
  #below = svg("svg", { class: "room", width: 1, height: 0, "aria-hidden": "true" });
  #list = element("div", { role: "rowgroup" });

  /** @param row pixels @param draw gives the i-th row */
  constructor(scroller, { row, draw }) {
    this.#scroller = scroller;
    this.#row = row;
    this.#draw = draw;
    scroller.append(this.#above, this.#list, this.#below);
    scroller.addEventListener("scroll", () => this.#soon());
    this.count = 0;
  }

  paint() {
    const room = this.#scroller.clientHeight;
    this.#lay();
    // A list that grows with its rows: only now there is room for more of them.
    if (this.#scroller.clientHeight > room) this.#lay();
  }

  #lay() {
    const { scrollTop, clientHeight } = this.#scroller;
    const { from, to } = inView(scrollTop, clientHeight, { row: this.#row, count: this.count });
    const rows = [];
    for (let i = from; i < to; i += 1) rows.push(this.#draw(i));
    this.#list.replaceChildren(...rows);
    this.#above.setAttribute("height", from * this.#row);
    this.#below.setAttribute("height", (this.count - to) * this.#row);
  }

  /** Rows that fit into the view as a whole. */
  get visible() {
    return Math.max(1, Math.floor(this.#scroller.clientHeight / this.#row));
  }

  reveal(i) {
    const scroller = this.#scroller;
    const top = i * this.#row;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + this.#row > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = top + this.#row - scroller.clientHeight;
  }

  #soon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.paint();
    });
  }
}
