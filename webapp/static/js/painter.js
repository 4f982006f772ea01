// When the page is painted anew: with the next frame, but not all the time, however much happens.

/** A page that is hidden or covered gets no frames, but its title should go on telling. */
const AT_LATEST = 1000; // milliseconds
/** Paintings rest so many times as long as the last one took, with all that the browser did for it:
 * five sixths of the time are free, also on a slow machine, and for what there is to read and hear. */
const REST = 5;
const LONGEST_REST = 500; // milliseconds

/** How long to rest before the next one. @param took milliseconds @param since it ended */
export function rest(took, since) {
  return Math.max(0, Math.min(LONGEST_REST, REST * took) - since);
}

export class Painter {
  #paint;
  #hosts = new Set();
  #all = true;
  #wanted = false; // there is something to paint
  #urgent = false; // somebody waits for it
  #timers = null;
  #drawing = false;
  #took = 0;
  #ended = -Infinity;

  /** @param paint given `{hosts, all}`: names of those that changed; `all`: any may have */
  constructor(paint) {
    this.#paint = paint;
  }

  /** With one of the next frames. */
  soon({ hosts = [], all = false } = {}) {
    for (const name of hosts) this.#hosts.add(name);
    this.#all ||= all;
    this.#wanted = true;
    if (!this.#timers && !this.#drawing) this.#wait();
  }

  /** With the very next one: somebody has pressed a key, and looks. */
  next(changed) {
    this.#urgent = true;
    this.#stop();
    this.soon(changed);
  }

  #wait() {
    const frame = () => (this.#timers.frame = requestAnimationFrame(() => this.#now()));
    const wait = this.#urgent ? 0 : rest(this.#took, performance.now() - this.#ended);
    this.#timers = { late: setTimeout(() => this.#now(), AT_LATEST) };
    if (wait) this.#timers.rest = setTimeout(frame, wait);
    else frame();
  }

  #stop() {
    const { frame, late, rest: resting } = this.#timers ?? {};
    cancelAnimationFrame(frame);
    clearTimeout(late);
    clearTimeout(resting);
    this.#timers = null;
  }

  #now() {
    this.#stop();
    const changed = { hosts: this.#hosts, all: this.#all };
    this.#hosts = new Set();
    this.#all = this.#wanted = this.#urgent = false;
    this.#drawing = true;
    const begun = performance.now();
    try {
      this.#paint(changed);
    } finally {
      // Of thousands of squares most of the work is the browser's, and comes right after ours.
      setTimeout(() => this.#drawn(begun));
    }
  }

  #drawn(begun) {
    this.#drawing = false;
    const now = performance.now();
    // The first draws all there is, and who has opened the page waits for what comes after it.
    this.#took = this.#ended < 0 ? 0 : now - begun;
    this.#ended = now;
    if (this.#wanted) this.#wait();
  }
}
