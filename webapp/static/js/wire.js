// One WebSocket to a job's stream, from its opening to its end: it is asked whether it is alive, and
// the server is told how much of what it sent was taken. What the frames mean is the stream's.

import { Timers } from "./timers.js";

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
/** A socket that lived so long was a good one. */
const GOOD_AFTER = 5000;

export class Wire {
  #socket;
  #cursor;
  #clock;
  #timers;
  #on;
  #since;
  #unacknowledged = 0;
  #pinged = 0;
  #measured = false;
  /** Whether it opened, and we said hello. */
  greeted = false;
  /** Whether it answers no ping. */
  silent = false;
  /** Whose output comes through it, and who waits to hear from where on: functions. */
  output = null;
  asked = [];

  /**
   * @param cursor whose place is acknowledged @param on `onOpen()`, `onMessage(data)`,
   * `onClose(code)`; `onDead()`: it says nothing any more; `onSilence()`: `silent` is another
   */
  constructor(url, { WebSocketClass, clock, cursor, ...on }) {
    this.#cursor = cursor;
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#on = on;
    this.#since = clock.now();
    this.#socket = new WebSocketClass(url, PROTOCOL);
    this.#socket.onopen = () => on.onOpen();
    this.#socket.onclose = ({ code }) => on.onClose(code);
    this.#socket.onmessage = ({ data }) => {
      this.#timers.after("ping", PING_AFTER, () => this.ping());
      this.#hear();
      on.onMessage(data);
    };
    this.#timers.after("ping", OPEN_WITHIN, () => on.onDead());
  }

  /** The first words. */
  hello({ output, stay }) {
    this.#timers.after("ping", PING_AFTER, () => this.ping());
    this.greeted = true;
    this.output = output;
    this.say({ t: "hello", after: this.#cursor.at, output, stay });
  }

  ping(within = PONG_WITHIN) {
    this.#pinged = this.#clock.now();
    this.say({ t: "ping" });
    this.#timers.after("ping", within, () => this.#on.onDead());
    this.#timers.after("silence", SILENT_AFTER, () => {
      this.silent = true;
      this.#on.onSilence();
    });
  }

  /** The network may be gone: that shows sooner than usual. */
  nudge() {
    this.ping(NUDGED_WITHIN);
  }

  /** The answer to a ping. Gives how long it took there and back, the first time; else null. */
  pong() {
    if (this.#measured) return null;
    this.#measured = true;
    return this.#clock.now() - this.#pinged;
  }

  /** So many characters more were taken in. */
  took(size) {
    this.#unacknowledged += size;
    if (this.#unacknowledged >= ACK_AFTER) this.acknowledge();
    else if (!this.#timers.has("ack"))
      this.#timers.after("ack", ACK_WITHIN, () => this.acknowledge());
  }

  acknowledge() {
    this.#timers.cancel("ack");
    this.#unacknowledged = 0;
    this.say({ t: "ack", seq: this.#cursor.at });
  }

  say(frame) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  get wasGood() {
    return this.greeted && this.#clock.now() - this.#since >= GOOD_AFTER;
  }

  /** Nothing is heard from it any more. */
  close() {
    this.#timers.cancelAll();
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #hear() {
    this.#timers.cancel("silence");
    if (!this.silent) return;
    this.silent = false;
    this.#on.onSilence();
  }
}

/** Not every browser takes a path, or http, for a socket's address. */
export function socketAddress(url) {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}
