// What the server alone can say of a job, asked anew when it may be another: what may be ordered
// now, why hosts failed, how fast it goes.

import { Refused, read } from "./reading.js";
import { retoldIn } from "./retelling.js";
import { FAILED } from "./states.js";

/** Milliseconds: what fails together is told together. */
const WHY_AFTER = 300;
/** Milliseconds for which the page waits to open with them. */
const WHY_WITHIN = 2000;
/** Milliseconds between two questions of how fast it goes; an answer is good for three of them. */
const PACE_EVERY = 5000;

export class Asked {
  #urls;
  #model;
  #on;
  #pending = new Set();
  #pace = null;

  /**
   * @param page as the server wrote it @param on `onWhy` and `onPace` are given the answers,
   * `onTold` is called with what changed after any of them, `onRefused` where nothing is told
   */
  constructor({ urls, job }, model, on) {
    Object.assign(this, { can: job.can });
    this.#urls = urls;
    this.#model = model;
    this.#on = on;
  }

  /** The whole list; at first, and when the stream will tell how hosts stand later than this does. */
  async list() {
    const list = await read(this.#urls.hosts);
    retoldIn(...list.hosts);
    this.#model.load(list);
  }

  /** The list, and with it why hosts failed, or hang: told later, it would push away what one reads. */
  async begin() {
    const some = [...FAILED].some((state) => this.#model.job.counts[state]);
    const late = new Promise((go) => setTimeout(go, WHY_WITHIN));
    const why = some ? Promise.race([this.#read(this.#urls.failures), late]) : null;
    const pace = this.#model.job.slow ? Promise.race([this.#read(this.#urls.pace), late]) : null;
    const [failed, slow] = await Promise.all([why, pace, this.list()]);
    if (failed) this.#on.onWhy(failed);
    if (slow) this.#paced(slow);
  }

  /** What may be ordered now, and by which terms it goes: asked when the job moved, or a host failed. */
  again() {
    this.#once("again", 200 + Math.random() * 300, async () => {
      const report = await this.#read(this.#urls.job);
      this.can = report?.can ?? [];
      if (report) {
        retoldIn(report);
        this.#model.loadJob(report);
      }
      this.#on.onTold({});
    });
  }

  /** Why hosts failed: when some did, or were retried; not for each of them. */
  why() {
    this.#once("why", WHY_AFTER, async () => {
      const told = await this.#read(this.#urls.failures);
      if (!told) return;
      this.#on.onWhy(told);
      this.#on.onTold({ all: true });
    });
  }

  /** How fast it goes is known to who knows earlier jobs; while it goes. */
  async pace() {
    const told = await this.#read(this.#urls.pace);
    if (!told) return;
    this.#on.onTold({ hosts: this.#paced(told) });
    if (!this.#model.ended) setTimeout(() => this.pace(), PACE_EVERY);
  }

  #paced(told) {
    this.#pace = { left: told.left, until: Date.now() + 3 * PACE_EVERY };
    const hosts = this.#model.setSlow(told.slow);
    this.#on.onPace(told);
    return hosts;
  }

  /**
   * Hosts that are slow, and seconds that are left. At first what came with the page is true; an
   * old answer is none, and a job that stands still has none.
   */
  get outlook() {
    const { job } = this.#model;
    const { left, until } = this.#pace ?? { left: job.left, until: Infinity };
    const goes = job.state === "running" && !job.cancelled && Date.now() < until;
    return { slow: this.#pace ? this.#model.slow : job.slow, left: goes ? left : null };
  }

  /** The steps of all hosts, for who looks at them. */
  async steps() {
    const told = await this.#read(this.#urls.steps);
    if (told) this.#model.loadSteps(told);
    this.#on.onTold({ all: true });
  }

  #once(what, ms, ask) {
    if (this.#pending.has(what)) return;
    this.#pending.add(what);
    setTimeout(() => {
      this.#pending.delete(what);
      ask();
    }, ms);
  }

  /** Nothing where it is no longer ours to see; what is shown stays. */
  async #read(url) {
    try {
      return await read(url);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#on.onRefused();
      return null;
    }
  }
}
