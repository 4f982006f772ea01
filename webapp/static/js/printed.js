// Text as a host printed it, in pieces that end anywhere, as lines. Pure values.

import { PLAIN, styleAfter } from "./ansi.js";

/** What is kept for reading on the page. All of it is in the download. */
export const LINES_KEPT = 20_000;
const LINE_KEPT = 8_192;

/** A line has a place: places count on as more comes, and down when what came before is added. */
export class Printed {
  lines = []; // {text, at, style, cut}: style is the one in force at its beginning
  first = 0; // the place of lines[0]
  #style = PLAIN; // after the last ended line
  #unended = false; // the last line has no newline yet

  /** The place after the last line. */
  get end() {
    return this.first + this.lines.length;
  }

  print(text, at) {
    const parts = text.split("\n");
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1;
      if (last && part === "" && !this.#unended) break;
      if (!this.#unended) this.lines.push({ text: "", at, style: this.#style, cut: 0 });
      extend(this.lines.at(-1), { text: part, cut: 0 });
      this.#unended = last;
      if (!last) this.#style = styleAfter(this.lines.at(-1).text, this.lines.at(-1).style);
    }
    if (this.lines.length > LINES_KEPT * 1.25) {
      this.first += this.lines.length - LINES_KEPT;
      this.lines.splice(0, this.lines.length - LINES_KEPT);
    }
  }

  /** What came before. Two halves of a line meet, and colours may go on into what is here. */
  precede(before) {
    if (!before.lines.length) return;
    const met = before.#unended && this.lines.length > 0;
    this.first -= before.lines.length - (met ? 1 : 0);
    if (met) extend(before.lines.at(-1), this.lines.shift());
    this.lines = [...before.lines, ...this.lines];
    let style = PLAIN;
    for (const line of this.lines) {
      line.style = style;
      style = styleAfter(line.text, style);
    }
    this.#style = this.#unended ? this.lines.at(-1).style : style;
  }
}

function extend(line, { text, cut }) {
  const room = Math.max(0, LINE_KEPT - line.text.length);
  line.text += text.slice(0, room);
  line.cut += cut + Math.max(0, text.length - room);
}
