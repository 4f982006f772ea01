// What a host printed before, read over HTTP as far as somebody looks, and joined without a hole
// to what the socket tells from a certain event on.

import { read } from "./reading.js";
import { retoldIn } from "./retelling.js";

/** Of an output, at a time: some thousand lines. */
const OUTPUT_BYTES = 256 * 1024;

export class Past {
  #story;
  #url;
  #present;
  #onRead;
  #wanted = true;

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

  /** What an attempt printed up to now, from its end; with `earlier`, what comes before that. */
  async output(attempt, { earlier = false } = {}) {
    const { step, n, kind, start } = attempt;
    const query = { step, attempt: n, kind, limit: OUTPUT_BYTES, ...(earlier ? { before: start } : {}) };
    const path = `/output?${new URLSearchParams(query)}`;
    if (earlier) {
      const told = await this.#read(path);
      if (told) attempt.loadEarlier(told);
      return;
    }
    attempt.ask();
    // What fell between the answer and the socket's first word is read again.
    for (let told = null, from = 0; !told || told.as_of_seq < from - 1; from = await this.#present) {
      told = await this.#read(path);
      if (!told) return;
      attempt.load(told);
      this.#onRead();
    }
    attempt.goOn();
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
