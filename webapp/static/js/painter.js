// When the page is painted anew: with the next frame, but not all the time, however much happens.

/** A page that is hidden or covered gets no frames, but its title should go on telling. */
const AT_LATEST = 1000; // milliseconds
/** Paintings rest so many times as long as the last one took: four fifths of the time are free. */
const REST = 4;
const LONGEST_REST = 100; // milliseconds

/** How long to rest before the next one. @param took milliseconds @param since it ended */
export function rest(took, since) {
  return Math.max(0, Math.min(LONGEST_REST, REST * took) - since);
}

export class Painter {
  #paint;
  #hosts = new Set();
  #all = true;
  #timers = null;
  #took = 0;
  #ended = -Infinity;

  /** @param paint given `{hosts, all}`: names of those that changed; `all`: any may have */
  constructor(paint) {
    this.#paint = paint;
  }

  soon({ hosts = [], all = false } = {}) {
    for (const name of hosts) this.#hosts.add(name);
    this.#all ||= all;
    if (this.#timers) return;
    const frame = () => (this.#timers.frame = requestAnimationFrame(() => this.#now()));
    const wait = rest(this.#took, performance.now() - this.#ended);
    this.#timers = { late: setTimeout(() => this.#now(), AT_LATEST) };
    if (wait) this.#timers.rest = setTimeout(frame, wait);
    else frame();
  }

  #now() {
    const { frame, late, rest: resting } = this.#timers;
    cancelAnimationFrame(frame);
    clearTimeout(late);
    clearTimeout(resting);
    const changed = { hosts: this.#hosts, all: this.#all };
    this.#hosts = new Set();
    this.#all = false;
    this.#timers = null;
    const begun = performance.now();
    try {
      this.#paint(changed);
    } finally {
      this.#ended = performance.now();
      this.#took = this.#ended - begun;
    }
  }
}
