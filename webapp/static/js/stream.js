// One job's story as it is told, over a WebSocket, or by polling where a proxy refuses sockets.
// Every item comes once and in order: what comes is counted against the sequence, and after any
// interruption it goes on after the last event that was seen. There is no page around it.

import { Cursor } from "./cursor.js";
import { Away, Pages, Refused } from "./events.js";
import { Listeners, report } from "./listeners.js";
import { CLOCK, Timers } from "./timers.js";
import { Wire, socketAddress } from "./wire.js";

const POLL_EVERY = 2000; // milliseconds, from here on all of them
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const TELL_EVERY = 250;
/** Sockets that do not open, one after the other, before it polls; polls before the next socket. */
const TRIES = 3;
const POLLS = 15;

export class JobStream {
  #on;
  #WebSocketClass;
  #address;
  #clock;
  #output;
  #stay;
  #cursor;
  #pages;
  /** connecting, up, reconnecting, polling, or how it is over: ended, refused, closed. */
  #mode = "connecting";
  #link = { state: null, told: -Infinity };
  /** The socket there is. */
  #wire = null;
  #work = Promise.resolve();
  #timers;
  #watchers = [];
  #unopened = 0;
  #pauses = 0;
  #polls = 0;

  /**
   * Starts by itself. `after`: the last event already known, `epoch`: the server's story it is
   * of, if known. `output`: "all", "none" or names of hosts. `stay`: a job that has ended may
   * go on. `onItems(items)` gets every item once, in order; `onBehind()` says that much will be
   * told late; `onReset()` that the server's story began anew, and so do we, at 0; `onLink` gets
   * what `link` gives.
   */
  constructor({
    url, eventsUrl, after = 0, epoch = null, output = "all", stay = true,
    onItems, onLink, onWelcome, onBehind, onEnd, onReset,
    WebSocketClass = globalThis.WebSocket, fetch = (...args) => globalThis.fetch(...args), clock = CLOCK,
  }) {
    this.#address = socketAddress(url);
    this.#on = new Listeners({ onItems, onLink, onWelcome, onBehind, onEnd, onReset });
    this.#WebSocketClass = WebSocketClass;
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#cursor = new Cursor({ after, epoch, clock });
    this.#pages = new Pages(fetch, eventsUrl);
    this.#output = output;
    this.#stay = stay;
    queueMicrotask(() => this.#connect());
  }

  /** `{state: connecting|live|silent|behind|reconnecting|polling|ended|refused|closed, gaps, doubles, lag_ms, at_seq, last_seq}` */
  get link() {
    const { gaps, doubles, lag, at, last } = this.#cursor;
    return { state: this.#state, gaps, doubles, lag_ms: lag, at_seq: at, last_seq: last };
  }

  /** Want the output of other hosts. Resolves with the seq from which on it is told. */
  watch(output) {
    this.#output = output;
    return new Promise((resolve) => {
      if (this.#isOver) {
        resolve(this.#cursor.at + 1);
      } else if (this.#wire?.greeted) {
        this.#wire.asked.push(resolve);
        this.#wire.say({ t: "watch", output });
      } else {
        this.#watchers.push(resolve);
        if (this.#timers.has("poll")) this.#timers.after("poll", 0, () => this.#poll());
      }
    });
  }

  /** The network may be back, or gone: try now what would be tried later. */
  nudge() {
    if (this.#wire?.greeted) this.#wire.nudge();
    else if (this.#timers.has("pause")) this.#connect();
    else if (this.#timers.has("poll")) this.#timers.after("poll", 0, () => this.#poll());
  }

  close() {
    this.#stop("closed");
  }

  // ---- over a socket

  #connect() {
    if (this.#isOver) return;
    this.#timers.cancel("pause", "poll");
    const wire = new Wire(this.#address, {
      WebSocketClass: this.#WebSocketClass,
      clock: this.#clock,
      cursor: this.#cursor,
      onOpen: () => this.#greet(wire),
      onClose: (code) => this.#inOrder(wire, () => this.#lost(code)),
      onMessage: (data) => this.#inOrder(wire, () => this.#take(JSON.parse(data), data.length)),
      onDead: () => this.#hangUp(),
      onSilence: () => this.#tell(),
    });
    this.#wire = wire;
    this.#tell();
  }

  /** One frame after the other: `behind` takes as long as the middle takes to fetch. */
  #inOrder(wire, work) {
    this.#work = this.#work.then(async () => {
      if (wire !== this.#wire) return;
      try {
        await work();
      } catch (error) {
        if (error instanceof Refused) this.#stop("refused");
        else if (wire === this.#wire) this.#hangUp();
        if (!(error instanceof Refused || error instanceof Away)) report(error);
      }
    });
  }

  #greet(wire) {
    if (wire !== this.#wire) return;
    wire.hello({ output: this.#output, stay: this.#stay });
    this.#answerWatchers();
  }

  async #take(frame, size) {
    const wire = this.#wire;
    if (frame.t === "welcome") this.#welcome(frame);
    else if (frame.t === "batch") this.#batch(wire, frame, size);
    else if (frame.t === "behind") await this.#fetchMiddle(wire, frame.to);
    else if (frame.t === "pong") this.#cursor.correct(wire.pong());
    else if (frame.t === "end") this.#end(frame);
    else if (frame.t === "watching") {
      wire.output = frame.output;
      wire.asked.shift()?.(frame.from);
    }
  }

  #welcome(frame) {
    this.#mode = "up";
    this.#unopened = this.#polls = 0;
    if (!this.#cursor.welcome(frame)) {
      this.#on.call("onReset");
      this.#hangUp();
      return;
    }
    this.#on.call("onWelcome", frame);
    this.#wire.ping();
    this.#tell();
  }

  #batch(wire, frame, size) {
    const fresh = this.#cursor.fresh(frame, wire.output === "all");
    if (fresh === null) {
      this.#hangUp();
      return;
    }
    this.#deliver(fresh, frame.to);
    wire.took(size);
  }

  /** We were too slow for the socket: what it left out comes over HTTP, at our own pace. */
  async #fetchMiddle(wire, to) {
    this.#cursor.learn(to);
    this.#on.call("onBehind");
    this.#tell();
    while (this.#cursor.at < to) {
      const page = await this.#pages.read(this.#cursor.at, wire.output);
      if (wire !== this.#wire) return;
      const { at } = this.#cursor;
      if (page.to <= at) throw new Away("the events are not there yet");
      const until = Math.min(page.to, to);
      this.#deliver(page.events.filter(({ s }) => s > at && s <= until), until);
      wire.acknowledge();
    }
  }

  #end({ last, state }) {
    this.#cursor.end(last);
    this.#on.call("onEnd", { last, state });
    this.#tell();
  }

  /** The socket is gone: when, and how, do we come again? */
  #lost(code) {
    const wire = this.#letGo();
    if (code === 1000 && this.#cursor.hasEnded && !this.#stay) return this.#stop("ended");
    if (code >= 4400 && code < 4500) return this.#stop("refused");
    if (wire.greeted) this.#unopened = 0;
    else this.#unopened += 1;
    if (this.#unopened >= TRIES) return this.#poll();
    if (wire.wasGood) this.#pauses = 0;
    return this.#comeAgain();
  }

  #hangUp() {
    this.#lost(1006);
  }

  /** Gives the socket that there was; who waits for its answer waits for the next one's. */
  #letGo() {
    const wire = this.#wire;
    this.#wire = null;
    wire?.close();
    this.#watchers.push(...(wire?.asked ?? []));
    return wire;
  }

  /** With jitter: a server that was restarted is not met by everybody at once. */
  #comeAgain() {
    if (this.#mode !== "connecting") this.#mode = "reconnecting";
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#pauses);
    this.#pauses += 1;
    this.#timers.after("pause", pause * (0.5 + this.#clock.random()), () => this.#connect());
    this.#tell();
  }

  // ---- without a socket

  async #poll() {
    this.#timers.cancel("poll");
    this.#answerWatchers();
    try {
      const page = await this.#pages.read(this.#cursor.at, this.#output);
      if (this.#isOver || this.#wire) return;
      this.#mode = "polling";
      const { at } = this.#cursor;
      this.#cursor.last = page.last_seq;
      this.#deliver(page.events.filter(({ s }) => s > at), Math.max(at, page.to));
      if (page.to < page.last_seq) return this.#timers.after("poll", 0, () => this.#poll());
      this.#endOfPoll();
    } catch (error) {
      if (error instanceof Refused) return this.#stop("refused");
      // Not the proxy, then: the server is away, and a socket is as good a question as any.
      this.#unopened = TRIES - 1;
      return this.#comeAgain();
    }
    if (this.#isOver) return;
    this.#polls = (this.#polls + 1) % POLLS;
    if (this.#polls === 0) this.#connect();
    else this.#timers.after("poll", POLL_EVERY, () => this.#poll());
  }

  #endOfPoll() {
    const state = this.#cursor.ending;
    if (!state) return;
    this.#end({ last: this.#cursor.at, state });
    if (!this.#stay) this.#stop("ended");
  }

  // ---- what is told

  #deliver(items, to) {
    this.#cursor.move(items, to);
    if (items.length) this.#on.call("onItems", items);
    this.#tell();
  }

  get #state() {
    if (this.#mode !== "up") return this.#mode;
    if (this.#wire?.silent) return "silent";
    if (this.#cursor.isBehind) return "behind";
    return this.#cursor.hasEnded ? "ended" : "live";
  }

  /** A new state at once, new numbers now and then. */
  #tell() {
    const now = this.#clock.now();
    if (this.#state === this.#link.state && now - this.#link.told < TELL_EVERY) return;
    this.#link = { state: this.#state, told: now };
    this.#on.call("onLink", this.link);
  }

  #answerWatchers() {
    for (const resolve of this.#watchers.splice(0)) resolve(this.#cursor.at + 1);
  }

  get #isOver() {
    return ["ended", "refused", "closed"].includes(this.#mode);
  }

  #stop(mode) {
    if (this.#isOver) return;
    this.#mode = mode;
    this.#timers.cancelAll();
    this.#letGo();
    this.#answerWatchers();
    this.#tell();
  }
}
