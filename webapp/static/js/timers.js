// Named timers on a clock: setting one again replaces it.

/** The real clock; tests bring their own. */
export const CLOCK = {
  now: () => Date.now(),
  setTimeout: (work, ms) => setTimeout(work, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: () => Math.random(),
};

export class Timers {
  #clock;
  #set = new Map();

  constructor(clock) {
    this.#clock = clock;
  }

  after(name, ms, work) {
    this.cancel(name);
    this.#set.set(name, this.#clock.setTimeout(() => {
      this.#set.delete(name);
      work();
    }, ms));
  }

  has(name) {
    return this.#set.has(name);
  }

  cancel(...names) {
    for (const name of names) {
      this.#clock.clearTimeout(this.#set.get(name));
      this.#set.delete(name);
    }
  }

  cancelAll() {
    this.cancel(...this.#set.keys());
  }
}
