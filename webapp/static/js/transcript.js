// One host's story in this job: its attempts, and the lines each of them printed. Pure values.
// The past comes over HTTP, the present over the socket; both are added here, by seq, once.

import { PLAIN, styleAfter } from "./ansi.js";

/** Of one attempt: what is kept for reading on the page. All of it is in the download. */
export const LINES_KEPT = 20_000;
const LINE_KEPT = 8_192;

export class Transcript {
  constructor(host) {
    this.host = host;
    this.attempts = [];
    this.to = 0; // every item of this host up to here was added
    this.waiting = []; // live items, kept until the past has been read
    this.complete = false;
  }

  /** A page of the past: what was told up to and with `to`, of any host. */
  addPast(items, to) {
    for (const item of items) if (item.h === this.host) this.#add(item);
    this.to = Math.max(this.to, to);
  }

  /** The past is read; what came in the meantime follows, without a double. */
  begin() {
    this.complete = true;
    const items = this.waiting;
    this.waiting = [];
    this.addLive(items);
  }

  /** Items from the stream, of any host. */
  addLive(items) {
    const mine = items.filter((item) => item.h === this.host);
    if (!this.complete) this.waiting.push(...mine);
    else for (const item of mine) this.#add(item);
  }

  get lineCount() {
    return this.attempts.reduce((sum, attempt) => sum + attempt.dropped + attempt.lines.length, 0);
  }

  #add(item) {
    if (item.s <= this.to) return;
    this.to = item.s;
    if (item.k === "step") this.#step(item);
    if (item.k === "output") this.#attempt(item).print(item.d, item.at);
  }

  #step(item) {
    const attempt = this.#attempt(item);
    if (item.to === "running") attempt.begun = item.at;
    else attempt.ended = item.at;
    attempt.state = item.to;
    attempt.rc = item.rc ?? attempt.rc;
    attempt.reason = item.reason ?? "";
    attempt.seconds = item.seconds ?? attempt.seconds;
  }

  /** Output names no kind: it is of the newest attempt with that step and number. */
  #attempt({ step, n, kind }) {
    const known = this.attempts.findLast(
      (attempt) => attempt.step === step && attempt.n === n && (!kind || attempt.kind === kind),
    );
    if (known) return known;
    const attempt = new AttemptLog(step, n, kind ?? "do");
    this.attempts.push(attempt);
    return attempt;
  }
}

export class AttemptLog {
  constructor(step, n, kind) {
    Object.assign(this, {
      step,
      n,
      kind,
      state: "running",
      rc: null,
      reason: "",
      begun: null,
      ended: null,
      seconds: null,
    });
    this.lines = []; // {text, at, style, cut}: style is the one in force at its beginning
    this.dropped = 0; // lines before lines[0] that are not kept
    this.style = PLAIN; // after the last ended line
    this.unended = false; // the last line has no newline yet
  }

  /** Text as it came: in pieces that end anywhere. */
  print(text, at) {
    const parts = text.split("\n");
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1;
      if (last && part === "" && !this.unended) return;
      if (!this.unended) this.lines.push({ text: "", at, style: this.style, cut: 0 });
      this.#extend(this.lines.at(-1), part);
      this.unended = last;
      if (!last) this.style = styleAfter(this.lines.at(-1).text, this.lines.at(-1).style);
    }
    if (this.lines.length > LINES_KEPT * 1.25) {
      this.dropped += this.lines.length - LINES_KEPT;
      this.lines.splice(0, this.lines.length - LINES_KEPT);
    }
  }

  /** Seconds it took, or has taken so far. */
  took(now = Date.now()) {
    if (this.seconds !== null && this.ended) return this.seconds;
    return this.begun
      ? (Date.parse(this.ended ?? new Date(now).toISOString()) - Date.parse(this.begun)) / 1000
      : null;
  }

  #extend(line, part) {
    const room = LINE_KEPT - line.text.length;
    line.text += part.slice(0, Math.max(0, room));
    line.cut += Math.max(0, part.length - Math.max(0, room));
  }
}
