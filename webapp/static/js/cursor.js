// How far a job's story was told, of how much there is: what comes is counted against the sequence,
// so that every item is handed on once and in order, and nobody misses one without knowing.

const JOB_ENDED = new Set(["succeeded", "failed", "cancelled"]);

export class Cursor {
  #clock;
  #epoch;
  /** Where something was missing last. */
  #holeAt = null;
  /** Milliseconds by which the server's clock is ahead of ours; null: not known yet. */
  #skew = null;
  #jobState = null;
  #endedAt = null;
  gaps = 0;
  doubles = 0;
  /** Milliseconds between what happened last and our hearing of it; null: it is old news. */
  lag = null;

  /** @param after the last event already known @param epoch the story it is of, if known */
  constructor({ after, epoch, clock }) {
    /** Everything up to here has been told, of so many events that are known to exist. */
    this.at = this.last = after;
    this.#epoch = epoch;
    this.#clock = clock;
  }

  /** What the server says first. Gives whether it goes on with our story; else that begins anew. */
  welcome({ now, epoch, last }) {
    this.#skew = Date.parse(now) - this.#clock.now();
    const known = this.#epoch;
    this.#epoch = epoch;
    if (known !== null && known !== epoch) {
      this.at = this.last = 0;
      this.#endedAt = this.#jobState = this.#holeAt = null;
      return false;
    }
    this.learn(last);
    return true;
  }

  /** The welcome, and the time in it, was on its way for about half as long as there and back. */
  correct(roundTrip) {
    if (roundTrip !== null) this.#skew += roundTrip / 2;
  }

  /** There are events up to here. */
  learn(last) {
    this.last = Math.max(this.last, last);
  }

  /**
   * The items of a batch that are new; null where some are missing before or between them, though
   * `every` item should be there. The same hole twice is in the story itself: it goes on.
   */
  fresh({ from, to, items }, every) {
    const fresh = items.filter(({ s }) => s > this.at);
    const whole = from <= this.at + 1 && (!every || fresh.length === Math.max(0, to - this.at));
    if (!whole && this.#holeAt !== this.at) {
      this.#holeAt = this.at;
      this.gaps += 1;
      return null;
    }
    this.doubles += items.length - fresh.length;
    return fresh;
  }

  /** Items are told now, and everything up to `to` with them. */
  move(items, to) {
    const wasLive = this.at >= this.last;
    this.at = Math.max(this.at, to);
    this.learn(to);
    for (const item of items) if (item.k === "job") this.#jobState = item.to;
    // The times of steps are their hosts', whose clocks may be wrong; several workers tell the rest.
    const newest = Date.parse(items.reduce((last, { k, at }) => (k !== "step" && at > last ? at : last), ""));
    if (newest && this.#skew !== null)
      this.lag = wasLive ? Math.max(0, this.#clock.now() + this.#skew - newest) : null;
  }

  /** The story is over with this event, as the server says. */
  end(last) {
    this.#endedAt = last;
  }

  get hasEnded() {
    return this.#endedAt === this.at;
  }

  /** How the job ended, by what was told, where nobody has said yet that this is the end. */
  get ending() {
    return JOB_ENDED.has(this.#jobState) && !this.hasEnded ? this.#jobState : null;
  }

  get isBehind() {
    return this.at < this.last;
  }
}
