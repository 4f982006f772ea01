// One job's story as it is told, over a WebSocket, or by polling where a proxy refuses sockets.
// Every item comes once and in order: what comes is counted against the sequence, and after any
// interruption it goes on after the last event that was seen. There is no page around it.

import { Away, PAGE, Refused, SMALLEST, Slow, readEvents } from "./events.js";
import { CLOCK, Timers } from "./timers.js";

const PROTOCOL = "patchwave.v1";
/** Characters after which what came is acknowledged; the server counts 64 KiB of bytes. */
const ACK_AFTER = 16 * 1024;
const ACK_WITHIN = 1000; // milliseconds, from here on all of them
const OPEN_WITHIN = 10_000;
const PING_AFTER = 10_000;
/** No answer to a ping in this time: nobody should be told that all is live. */
const SILENT_AFTER = 3000;
/** The slowest line that still works takes so long for one frame, and is silent meanwhile. */
const PONG_WITHIN = 30_000;
const NUDGED_WITHIN = 5000;
const POLL_EVERY = 2000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** A socket that lived so long was a good one: the next try comes soon. */
const GOOD_AFTER = 5000;
const TELL_EVERY = 250;
/** Sockets that do not open, one after the other, before it polls; polls before the next socket. */
const TRIES = 3;
const POLLS = 15;
const JOB_ENDED = new Set(["succeeded", "failed", "cancelled"]);

export class JobStream {
  #on;
  #urls;
  #clock;
  #output;
  #stay;
  /** Everything up to here has been told, of so many events that are known to exist. */
  #at;
  #last;
  #epoch;
  /** connecting, up, reconnecting, polling, or how it is over: ended, refused, closed. */
  #mode = "connecting";
  #link = { state: null, told: -Infinity };
  /** The socket there is: `{socket, since, greeted, silent, output, asked, unacknowledged}`. */
  #line = null;
  #work = Promise.resolve();
  #timers;
  #watchers = [];
  #unopened = 0;
  #pauses = 0;
  #polls = 0;
  #gaps = 0;
  #doubles = 0;
  #holeAt = null;
  #skew = null;
  #lag = null;
  /** Bytes of a page over HTTP: fewer on a line that cannot bring as many in time. */
  #pageBytes = PAGE;
  #jobState = null;
  #endedAt = null;

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
    this.#urls = { socket: socketAddress(url), events: eventsUrl };
    this.#on = { onItems, onLink, onWelcome, onBehind, onEnd, onReset, fetch, WebSocketClass };
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#at = this.#last = after;
    this.#epoch = epoch;
    this.#output = output;
    this.#stay = stay;
    queueMicrotask(() => this.#connect());
  }

  /** `{state: connecting|live|silent|behind|reconnecting|polling|ended|refused|closed, gaps, doubles, lag_ms, at_seq, last_seq}` */
  get link() {
    return {
      state: this.#state, gaps: this.#gaps, doubles: this.#doubles, lag_ms: this.#lag,
      at_seq: this.#at, last_seq: this.#last,
    };
  }

  /** Want the output of other hosts. Resolves with the seq from which on it is told. */
  watch(output) {
    this.#output = output;
    return new Promise((resolve) => {
      if (this.#isOver) {
        resolve(this.#at + 1);
      } else if (this.#line?.greeted) {
        this.#line.asked.push(resolve);
        this.#say({ t: "watch", output });
      } else {
        this.#watchers.push(resolve);
        if (this.#timers.has("poll")) this.#timers.after("poll", 0, () => this.#poll());
      }
    });
  }

  /** The network may be back, or gone: try now what would be tried later. */
  nudge() {
    if (this.#line?.greeted) this.#ping(NUDGED_WITHIN);
    else if (this.#timers.has("pause")) this.#connect();
    else if (this.#timers.has("poll")) this.#timers.after("poll", 0, () => this.#poll());
  }

  close() {
    this.#stop("closed");
  }

  // ---- a socket's life

  #connect() {
    if (this.#isOver) return;
    this.#timers.cancel("pause", "poll");
    const socket = new this.#on.WebSocketClass(this.#urls.socket, PROTOCOL);
    const line = { socket, since: this.#clock.now(), greeted: false, silent: false, output: null, asked: [], unacknowledged: 0 };
    this.#line = line;
    const lost = (code) => this.#inOrder(line, () => this.#lost(code));
    socket.onopen = () => this.#greet(line);
    socket.onclose = ({ code }) => lost(code);
    socket.onmessage = ({ data }) => {
      this.#timers.after("ping", PING_AFTER, () => this.#ping());
      this.#hear(line);
      this.#inOrder(line, () => this.#take(JSON.parse(data), data.length));
    };
    this.#timers.after("ping", OPEN_WITHIN, () => this.#hangUp());
    this.#tell();
  }

  /** One frame after the other: `behind` takes as long as the middle takes to fetch. */
  #inOrder(line, work) {
    this.#work = this.#work.then(async () => {
      if (line !== this.#line) return;
      try {
        await work();
      } catch (error) {
        if (error instanceof Refused) this.#stop("refused");
        else if (line === this.#line) this.#hangUp();
        if (!(error instanceof Refused || error instanceof Away)) report(error);
      }
    });
  }

  #greet(line) {
    if (line !== this.#line) return;
    this.#timers.after("ping", PING_AFTER, () => this.#ping());
    line.greeted = true;
    line.output = this.#output;
    this.#say({ t: "hello", after: this.#at, output: this.#output, stay: this.#stay });
    this.#answerWatchers();
  }

  async #take(frame, size) {
    const line = this.#line;
    if (frame.t === "welcome") this.#welcome(frame);
    else if (frame.t === "batch") this.#batch(line, frame, size);
    else if (frame.t === "behind") await this.#fetchMiddle(line, frame.to);
    else if (frame.t === "pong") this.#pong(line);
    else if (frame.t === "end") this.#end(frame);
    else if (frame.t === "watching") {
      line.output = frame.output;
      line.asked.shift()?.(frame.from);
    }
  }

  #welcome(frame) {
    this.#mode = "up";
    this.#unopened = this.#polls = 0;
    this.#skew = Date.parse(frame.now) - this.#clock.now();
    const known = this.#epoch;
    this.#epoch = frame.epoch;
    if (known !== null && known !== frame.epoch) {
      this.#at = this.#last = 0;
      this.#endedAt = this.#jobState = this.#holeAt = null;
      this.#call("onReset");
      this.#hangUp();
      return;
    }
    this.#last = Math.max(this.#last, frame.last);
    this.#call("onWelcome", frame);
    this.#ping();
    this.#tell();
  }

  #batch(line, { from, to, items }, size) {
    const fresh = items.filter(({ s }) => s > this.#at);
    const whole = from <= this.#at + 1 && (line.output !== "all" || fresh.length === Math.max(0, to - this.#at));
    // The same hole twice is in the story itself: it is counted, and the story goes on.
    if (!whole && this.#holeAt !== this.#at) {
      this.#holeAt = this.#at;
      this.#gaps += 1;
      this.#hangUp();
      return;
    }
    this.#doubles += items.length - fresh.length;
    line.unacknowledged += size;
    this.#deliver(fresh, to);
    if (line.unacknowledged >= ACK_AFTER) this.#acknowledge();
    else if (!this.#timers.has("ack")) this.#timers.after("ack", ACK_WITHIN, () => this.#acknowledge());
  }

  /** We were too slow for the socket: what it left out comes over HTTP, at our own pace. */
  async #fetchMiddle(line, to) {
    this.#last = Math.max(this.#last, to);
    this.#call("onBehind");
    this.#tell();
    while (this.#at < to) {
      const page = await this.#fetchPage(line.output);
      if (line !== this.#line) return;
      if (page.to <= this.#at) throw new Away("the events are not there yet");
      const until = Math.min(page.to, to);
      this.#deliver(page.events.filter(({ s }) => s > this.#at && s <= until), until);
      this.#acknowledge();
    }
  }

  #end({ last, state }) {
    this.#endedAt = last;
    this.#call("onEnd", { last, state });
    this.#tell();
  }

  /** The socket is gone: when, and how, do we come again? */
  #lost(code) {
    const line = this.#line;
    this.#line = null;
    this.#timers.cancel("ping", "silence", "ack");
    this.#watchers.push(...line.asked);
    if (code === 1000 && this.#endedAt === this.#at && !this.#stay) return this.#stop("ended");
    if (code >= 4400 && code < 4500) return this.#stop("refused");
    if (line.greeted) this.#unopened = 0;
    else this.#unopened += 1;
    if (this.#unopened >= TRIES) return this.#poll();
    if (line.greeted && this.#clock.now() - line.since >= GOOD_AFTER) this.#pauses = 0;
    return this.#comeAgain();
  }

  #hangUp() {
    letGo(this.#line.socket);
    this.#lost(1006);
  }

  /** With jitter: a server that was restarted is not met by everybody at once. */
  #comeAgain() {
    if (this.#mode !== "connecting") this.#mode = "reconnecting";
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#pauses);
    this.#pauses += 1;
    this.#timers.after("pause", pause * (0.5 + this.#clock.random()), () => this.#connect());
    this.#tell();
  }

  #ping(within = PONG_WITHIN) {
    this.#line.pinged = this.#clock.now();
    this.#say({ t: "ping" });
    this.#timers.after("ping", within, () => this.#hangUp());
    this.#timers.after("silence", SILENT_AFTER, () => {
      this.#line.silent = true;
      this.#tell();
    });
  }

  #hear(line) {
    this.#timers.cancel("silence");
    if (!line.silent) return;
    line.silent = false;
    this.#tell();
  }

  /** The welcome, and the time in it, was on its way for about half as long as there and back. */
  #pong(line) {
    if (line.measured) return;
    line.measured = true;
    this.#skew += (this.#clock.now() - line.pinged) / 2;
  }

  #acknowledge() {
    this.#timers.cancel("ack");
    if (this.#line) this.#line.unacknowledged = 0;
    this.#say({ t: "ack", seq: this.#at });
  }

  #say(frame) {
    const socket = this.#line?.socket;
    if (socket?.readyState === 1) socket.send(JSON.stringify(frame));
  }

  // ---- without a socket

  async #poll() {
    this.#timers.cancel("poll");
    this.#answerWatchers();
    try {
      const page = await this.#fetchPage(this.#output);
      if (this.#isOver || this.#line) return;
      this.#mode = "polling";
      this.#last = page.last_seq;
      this.#deliver(page.events.filter(({ s }) => s > this.#at), Math.max(this.#at, page.to));
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
    if (!JOB_ENDED.has(this.#jobState) || this.#endedAt === this.#at) return;
    this.#end({ last: this.#at, state: this.#jobState });
    if (!this.#stay) this.#stop("ended");
  }

  async #fetchPage(output) {
    const { fetch } = this.#on;
    try {
      const page = await readEvents(fetch, this.#urls.events, this.#at, output, this.#pageBytes);
      this.#pageBytes = Math.min(PAGE, this.#pageBytes * 2);
      return page;
    } catch (error) {
      if (error instanceof Slow) this.#pageBytes = Math.max(SMALLEST, this.#pageBytes / 8);
      throw error;
    }
  }

  // ---- what is told

  #deliver(items, to) {
    const wasLive = this.#at >= this.#last;
    this.#at = Math.max(this.#at, to);
    this.#last = Math.max(this.#last, to);
    for (const item of items) if (item.k === "job") this.#jobState = item.to;
    // The times of steps are their hosts', whose clocks may be wrong; several workers tell the rest.
    const newest = Date.parse(items.reduce((last, { k, at }) => (k !== "step" && at > last ? at : last), ""));
    if (newest && this.#skew !== null) this.#lag = wasLive ? Math.max(0, this.#clock.now() + this.#skew - newest) : null;
    if (items.length) this.#call("onItems", items);
    this.#tell();
  }

  get #state() {
    if (this.#mode !== "up") return this.#mode;
    if (this.#line?.silent) return "silent";
    if (this.#at < this.#last) return "behind";
    return this.#endedAt === this.#at ? "ended" : "live";
  }

  /** A new state at once, new numbers now and then. */
  #tell() {
    const now = this.#clock.now();
    if (this.#state === this.#link.state && now - this.#link.told < TELL_EVERY) return;
    this.#link = { state: this.#state, told: now };
    this.#call("onLink", this.link);
  }

  #answerWatchers() {
    for (const resolve of this.#watchers.splice(0)) resolve(this.#at + 1);
  }

  /** A mistake of the page's is the page's: the story goes on. */
  #call(name, ...about) {
    try {
      this.#on[name]?.(...about);
    } catch (error) {
      report(error);
    }
  }

  get #isOver() {
    return ["ended", "refused", "closed"].includes(this.#mode);
  }

  #stop(mode) {
    if (this.#isOver) return;
    this.#mode = mode;
    this.#timers.cancelAll();
    if (this.#line) {
      letGo(this.#line.socket);
      this.#watchers.push(...this.#line.asked);
      this.#line = null;
    }
    this.#answerWatchers();
    this.#tell();
  }
}

/** Not every browser takes a path, or http, for a socket's address. */
function socketAddress(url) {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}

function letGo(socket) {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
}

function report(error) {
  if (globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
