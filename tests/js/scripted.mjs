// A server whose every word a test writes, and a clock that a test moves.

export class Clock {
  #now = 1_000_000;
  #timers = new Map();
  #next = 1;

  now() {
    return this.#now;
  }

  random() {
    return 0.5;
  }

  setTimeout(work, ms) {
    this.#timers.set(this.#next, { at: this.#now + ms, work });
    return this.#next++;
  }

  clearTimeout(id) {
    this.#timers.delete(id);
  }

  /** Time passes; what was due happens, in order. */
  async pass(ms) {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].work();
      await settled();
    }
    this.#now = until;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settled() {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Hands out sockets that do what the test says, and answers reads of events. */
export class Server {
  sockets = [];
  asked = [];
  /** Answers of /events, by turn: a page, a status, or an Error; the last one stays. */
  pages = [];

  constructor(clock) {
    const server = this;
    this.clock = clock;
    this.Socket = class {
      constructor(url, protocol) {
        Object.assign(this, { url, protocol, readyState: 0, heard: [], closed: false });
        server.sockets.push(this);
      }

      send(text) {
        this.heard.push(JSON.parse(text));
      }

      close() {
        this.closed = true;
        this.readyState = 3;
      }
    };
    this.fetch = async (url) => {
      this.asked.push(url);
      const answer = this.pages.length > 1 ? this.pages.shift() : this.pages[0];
      if (answer instanceof Error || answer === undefined) throw answer ?? new Error("no route");
      if (typeof answer === "number") return { ok: false, status: answer };
      return { ok: true, status: 200, json: async () => answer };
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  async open({ epoch = "e1", last = 0, now = this.clock.now() } = {}) {
    await settled();
    this.socket.readyState = 1;
    this.socket.onopen();
    await this.say({ t: "welcome", epoch, last, now: new Date(now).toISOString(), job: { id: 1 } });
  }

  async say(frame) {
    this.socket.onmessage?.({ data: JSON.stringify(frame) });
    await settled();
  }

  async batch(from, to, items = range(from, to)) {
    await this.say({ t: "batch", from, to, items });
  }

  async close(code) {
    this.socket.readyState = 3;
    this.socket.onclose?.({ code });
    await settled();
  }

  heard(t) {
    return this.socket.heard.filter((frame) => frame.t === t);
  }
}

export function item(s, more = {}) {
  return { s, h: "eu-1", k: "output", step: "unpack", n: 1, o: 0, d: `${s}\n`, at: "2026-11-21T02:00:00.000Z", ...more };
}

export function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, i) => item(from + i));
}
