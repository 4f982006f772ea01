// What a host printed before, read over HTTP as far as somebody looks, and joined without a hole
// to what the socket tells from a certain event on.

import { read } from "./reading.js";
import { retoldIn } from "./retelling.js";

/** Of an output, at a time: some thousand lines. */
const OUTPUT_BYTES = 256 * 1024;

/** Of lines that one scrolls to, at a time. */
const LINES = 400;

export class Past {
  #story;
  #url;
  #present;
  #onRead;
  #wanted = true;
  #reading = new Set();

  /**
   * Of the host at `url`, into its transcript. `present` resolves with the event from which on the
   * socket tells its output; `onRead` is called after each answer.
   */
  constructor(story, { url, present, onRead }) {
    this.#story = story;
    this.#url = url;
    this.#onRead = onRead;
    this.#present = present.then((seq) => (story.present = seq));
  }

  /** Another host is looked at. */
  close() {
    this.#wanted = false;
  }

  async attempts() {
    const told = await this.#read("/attempts");
    if (!told) return;
    retoldIn(...told.attempts);
    this.#story.begin(told);
    this.#onRead();
  }

  /** What an attempt printed up to now, from its end; then, which line that begins with. */
  async output(attempt) {
    const query = { ...which(attempt), limit: OUTPUT_BYTES };
    attempt.ask();
    // What fell between the answer and the socket's first word is read again.
    for (let told = null, from = 0; !told || told.as_of_seq < from - 1; from = await this.#present) {
      told = await this.#read(`/output?${new URLSearchParams(query)}`);
      if (!told) return;
      attempt.load(told);
      this.#onRead();
    }
    attempt.goOn();
    this.#onRead();
    await this.#count(attempt);
  }

  /** Lines that came before, by their places; as many around them as one reading gives. */
  async lines(attempt, { from, to }) {
    if (this.#reading.has(attempt)) return;
    this.#reading.add(attempt);
    // One scrolls on, maybe upwards; but what is missing must come, however long its lines are.
    const margin = attempt.lineAt(from - 1) ? 0 : Math.floor((LINES - (to - from)) / 2);
    const first = Math.max(1, attempt.numberOf(from) - margin);
    const query = { ...which(attempt), first, count: LINES };
    const told = await this.#read(`/lines?${new URLSearchParams(query)}`);
    this.#reading.delete(attempt);
    if (!told?.lines.length) return;
    attempt.loadLines(told);
    this.#onRead();
  }

  async #count(attempt) {
    if (attempt.origin !== null) return;
    const query = { ...which(attempt), count: 0, offset: attempt.start };
    const told = await this.#read(`/lines?${new URLSearchParams(query)}`);
    if (!told) return;
    attempt.count(told.number);
    this.#onRead();
  }

  /** Nothing once another host is looked at. */
  async #read(path) {
    try {
      const told = await read(this.#url + path, { wanted: () => this.#wanted });
      return this.#wanted ? told : null;
    } catch (error) {
      if (this.#wanted) throw error;
      return null;
    }
  }
}

function which({ step, n, kind }) {
  return { step, attempt: n, kind };
}
