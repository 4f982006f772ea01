// Text as a host printed it, in pieces that end anywhere, as lines. Pure values.

import { PLAIN, styleAfter } from "./ansi.js";

/** What is kept for reading on the page. All of it is in the download. */
export const LINES_KEPT = 20_000;
const LINE_KEPT = 8_192;

/** A line has a place: places count on as more comes; the first that came is at 0. */
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
      extend(this.lines.at(-1), part);
      this.#unended = last;
      if (!last) this.#style = styleAfter(this.lines.at(-1).text, this.lines.at(-1).style);
    }
    if (this.lines.length > LINES_KEPT * 1.25) {
      this.first += this.lines.length - LINES_KEPT;
      this.lines.splice(0, this.lines.length - LINES_KEPT);
    }
  }
}

function extend(line, text) {
  const room = Math.max(0, LINE_KEPT - line.text.length);
  line.text += text.slice(0, room);
  line.cut += Math.max(0, text.length - room);
}
