// One host's story in this job: its attempts, and what those printed that somebody looks at. Pure
// values. What was printed before is read over HTTP, from its end, when an attempt is opened; what
// comes after arrives over the socket. Both are added here, by seq, once.

import { styleAfter } from "./ansi.js";
import { LINES_KEPT, Printed } from "./printed.js";

export class Transcript {
  constructor(host) {
    this.host = host;
    this.attempts = [];
    this.to = null; // the list of attempts was told up to here; null: not yet
    this.present = Infinity; // from here on the socket tells what this host prints
    this.waiting = []; // live items, kept until the list is known
  }

  /** The list as it was at `as_of_seq`; what came in the meantime follows. */
  begin({ as_of_seq, attempts }) {
    this.attempts = attempts.map((row) => new AttemptLog(row));
    this.to = as_of_seq;
    for (const item of this.waiting.splice(0)) this.#add(item);
  }

  /** Items from the stream, of any host. */
  addLive(items) {
    const own = items.filter(({ h }) => h === this.host);
    if (this.to === null) this.waiting.push(...own);
    else for (const item of own) this.#add(item);
    return own.length > 0;
  }

  get lineCount() {
    return this.attempts.reduce((sum, attempt) => sum + attempt.lineCount, 0);
  }

  /** Is everything here that this host printed, or was it, and can be counted? */
  get whole() {
    return this.to !== null && this.attempts.every((attempt) => attempt.whole);
  }

  get bytes() {
    return this.attempts.reduce((sum, attempt) => sum + attempt.bytes, 0);
  }

  #add(item) {
    if (item.k === "step" && item.s > this.to) this.#step(item);
    if (item.k === "output") this.#attempt(item).take(item);
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
  #attempt({ s, step, n, kind }) {
    const known = this.attempts.findLast(
      (attempt) => attempt.step === step && attempt.n === n && (!kind || attempt.kind === kind),
    );
    if (known) return known;
    const attempt = new AttemptLog({ step, n, kind: kind ?? "do" });
    if (kind && s >= this.present - 1) {
      // Whoever saw it begin has all of it.
      attempt.load({ events: [], start: 0, as_of_seq: s });
      attempt.goOn();
    }
    this.attempts.push(attempt);
    return attempt;
  }
}

export class AttemptLog {
  #above = new Map(); // place -> line, of those before what `printed` holds

  /** As GET /jobs/{id}/hosts/{name}/attempts tells it, or what an item says of a new one. */
  constructor(row) {
    const told = { state: "running", rc: null, reason: "", seconds: null, at: null, bytes: 0, ...row };
    const { step, n, kind, state, rc, reason, seconds, at, bytes } = told;
    Object.assign(this, { step, n, kind, state, rc, reason, seconds, bytes });
    this.begun = at;
    this.ended =
      at && seconds !== null ? new Date(Date.parse(at) + seconds * 1000).toISOString() : null;
    this.asked = false; // somebody looks at it: what comes from here on is kept
    this.waiting = null; // live items, until it goes on; null: it does
    this.printed = new Printed();
    this.start = null; // the byte of its output from which on it is here; null: nothing is
    this.to = 0; // the last item that is here
    this.origin = null; // the place of its very first line, once that is known
    this.uncountable = false; // it is too much for anybody to know
  }

  /** What comes over the socket is kept from here on, until what was before it is here. */
  ask() {
    this.asked = true;
    this.waiting = [];
  }

  /** Its end as GET …/output tells it. */
  load({ events, start, as_of_seq }) {
    this.asked = true;
    this.printed = printedIn(events);
    this.start = start;
    this.to = Math.max(as_of_seq, events.at(-1)?.s ?? 0);
    this.origin = start === 0 ? 0 : null;
    this.#above.clear();
  }

  /** There is no hole between what was loaded and what the socket tells. */
  goOn() {
    const items = this.waiting ?? [];
    this.waiting = null;
    for (const item of items) this.take(item);
  }

  /** Its first line here is the n-th of all; null where nobody counted so many. */
  count(n) {
    if (n === null) this.uncountable = true;
    else this.origin = 1 - n;
  }

  /** Lines that are not here any more, or never were, from number `first` on. */
  loadLines({ first, colours, lines }) {
    let style = styleAfter(colours);
    lines.forEach((line, i) => {
      this.#above.set(this.origin + first - 1 + i, { ...line, style });
      style = styleAfter(line.text, style);
    });
    // The oldest first; what is in view was read last.
    for (const place of this.#above.keys()) {
      if (this.#above.size <= LINES_KEPT) break;
      this.#above.delete(place);
    }
  }

  /** A live item of its output. */
  take(item) {
    this.bytes = Math.max(this.bytes, item.o + item.d.length);
    if (!this.asked || item.s <= this.to) return;
    if (this.waiting) {
      this.waiting.push(item);
      return;
    }
    this.to = item.s;
    this.printed.print(item.d, item.at);
  }

  get whole() {
    return this.origin !== null || this.bytes === 0;
  }

  /** The place of the first line that can be shown. */
  get low() {
    return this.origin ?? this.printed.first;
  }

  /** The line at a place; null: it is to be read. */
  lineAt(place) {
    const { lines, first } = this.printed;
    if (place >= first && !this.#isHalf(place)) return lines[place - first] ?? null;
    return this.#above.get(place) ?? lines[place - first] ?? null;
  }

  /** Which of these places are to be read: `{from, to}`, or null. */
  missing(from, to) {
    if (this.origin === null) return null;
    const wanted = (place) =>
      (place < this.printed.first || this.#isHalf(place)) && !this.#above.has(place);
    let first = from;
    while (first < to && !wanted(first)) first += 1;
    let last = to;
    while (last > first && !wanted(last - 1)) last -= 1;
    return first < last ? { from: first, to: last } : null;
  }

  get lineCount() {
    return this.printed.end - this.low;
  }

  /** The end of an output may begin amid a line. */
  #isHalf(place) {
    return place === 0 && this.start > 0;
  }

  /** Which line of its output is at a place, from 1 on; null where the beginning is not here. */
  numberOf(place) {
    return this.origin === null ? null : place - this.origin + 1;
  }

  /** Seconds it took, or has taken so far. */
  took(now = Date.now()) {
    if (this.seconds !== null && this.ended) return this.seconds;
    return this.begun
      ? (Date.parse(this.ended ?? new Date(now).toISOString()) - Date.parse(this.begun)) / 1000
      : null;
  }
}

function printedIn(events) {
  const printed = new Printed();
  for (const { d, at } of events) printed.print(d, at);
  return printed;
}
