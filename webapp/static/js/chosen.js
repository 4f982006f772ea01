// The host that one looks at: its log beside the others, and the orders that are for it alone.

import { Clip } from "./clip.js";
import { setText } from "./dom.js";
import { leadsTo } from "./doubt.js";
import { LogPane } from "./log.js";
import { Past } from "./past.js";
import * as place from "./place.js";
import { Refused } from "./reading.js";
import { Retrying } from "./retrying.js";
import { Search } from "./search.js";
import { Transcript } from "./transcript.js";

/** While it has not gone down. */
const LEFT_OUT = ["waiting", "staged"];
/** Where a person would look first. */
const WORST = ["failed", "unknown", "unreachable", "slow", "running"];

const byId = (id) => document.getElementById(id);

export class Chosen {
  #page;
  #model;
  #here;
  #orders;
  #aside;
  #on;
  #transcript = null;
  #past = null;
  #log;
  #clip;
  #search;
  #retrying;
  #printed = false; // since its log was painted

  /**
   * @param here the place, see place.js @param on `watch(name)`: the socket tells of this host,
   * resolves with the event from which on; `told(names)`: those that failed, as the server tells them;
   * `onTurn`: another host was chosen; `onTold`: there is more to paint; `onRefused`
   */
  constructor({ page, model, here, orders, aside }, on) {
    this.#page = page;
    this.#model = model;
    this.#here = here;
    this.#orders = orders;
    this.#aside = aside;
    this.#on = on;
    this.#log = new LogPane(byId("log"), {
      model,
      download: (...what) => this.#download(...what),
      need: (attempt, lines) => this.#need(attempt, lines),
      told: (name) => on.told([name])?.[0],
    });
    this.#clip = new Clip(byId("copy-lines"), byId("log"), () => this.name);
    this.#search = new Search(byId("log"), {
      url: page.urls.job,
      model,
      onLook: (text) => this.#log.highlight(text),
      onGo: (line) => this.goTo(line),
      onRefused: on.onRefused,
    });
    addEventListener("hashchange", () => this.goToLink());
    this.#takeOrders();
  }

  /** Its name; undefined before one is open. */
  get name() {
    return this.#transcript?.host;
  }

  get log() {
    return this.#log;
  }

  get search() {
    return this.#search;
  }

  /** Open the host of the address, else the worst, and the line that the address names. */
  begin() {
    const named = this.#here.host;
    this.open(this.#model.hosts.has(named) ? named : this.#worst());
    this.goToLink();
  }

  /** Its past over HTTP, as far as one looks, and its present over the socket. */
  open(name) {
    if (!name || this.name === name) return;
    this.#past?.close();
    this.#transcript = new Transcript(name);
    this.#past = new Past(this.#transcript, {
      url: this.#url(name),
      present: this.#on.watch(name),
      onRead: () => {
        this.#printed = true;
        this.#on.onTold({});
      },
    });
    this.#search.of(name);
    const page = this.#page.urls.host.replace("HOST", encodeURIComponent(name));
    this.#log.open(this.#transcript, page);
    this.#on.onTurn();
    this.#past.attempts().catch((error) => this.#gone(error));
  }

  pick(name) {
    this.#here.host = name;
    place.write(this.#here, place.readLine()?.host === name ? location.hash : "");
    this.open(name);
    if (matchMedia("(max-width: 1180px)").matches) byId("log").scrollIntoView({ block: "start" });
  }

  /** A line that a link, or a search, points to. */
  goTo(line) {
    if (!this.#model.hosts.has(line.host)) return;
    if (this.name !== line.host) this.pick(line.host);
    this.#log.go(line);
  }

  /** Open a host that failed at the line that tells why. */
  tell(name) {
    if (this.name !== name) this.pick(name);
    this.#log.toCause();
  }

  goToLink() {
    const line = place.readLine();
    if (line) this.goTo(line);
  }

  addLive(items) {
    if (this.#transcript?.addLive(items)) this.#printed = true;
  }

  /** @param can what may be ordered now @param changed `{hosts, all}`, as the painter tells it */
  paint(can, { hosts, all }) {
    // A log is measured as it is painted: for nothing that would lay out the whole page once more.
    if (this.#printed || all || hosts.has(this.name)) {
      this.#log.paint();
      this.#clip.paint();
    }
    this.#printed = false;
    this.#search.paint(hosts, { all });
    const host = this.#model.hosts.get(this.name);
    if (!host) return;
    this.#retrying.paint(this.name, can, this.#on.told([this.name])?.[0]);
    byId("leave-out").hidden = !can.includes("skip") || !LEFT_OUT.includes(host.state);
    this.#paintAnswer(can, host);
  }

  tick(now) {
    this.#log.tick(now);
  }

  #paintAnswer(can, { step, state }) {
    const form = byId("answer");
    form.hidden = !can.includes("answer") || state !== "unknown";
    const { offered, refused } = leadsTo({ step, ...this.#page.rules[step] }, 1);
    form.querySelector("[value=it_did_not_run]").hidden = !offered.includes("it_did_not_run");
    setText(byId("answer-refused"), refused);
  }

  #takeOrders() {
    this.#retrying = new Retrying(byId("retry-host"), byId("retry-from"), {
      model: this.#model,
      onRetry: (body, button) =>
        this.#orders.give("retry", body, button, { refusal: byId("host-refusal") }),
    });
    byId("leave-out").addEventListener("click", ({ target }) =>
      this.#aside.leaveOut(this.name, target, byId("host-refusal")),
    );
    byId("answer").addEventListener("submit", (event) => {
      event.preventDefault();
      const url = `${this.#url(this.name)}/answer`;
      const body = { answer: event.submitter.value, note: byId("answer-note").value };
      const refusal = byId("answer-refusal");
      this.#orders.give("answer", body, event.submitter, { url, refusal });
    });
  }

  #need(attempt, lines) {
    const read = lines ? this.#past.lines(attempt, lines) : this.#past.output(attempt);
    read.catch((error) => this.#gone(error));
  }

  #worst() {
    const hosts = [...this.#model.hosts.values()];
    const found =
      hosts.find(({ down }) => down) ??
      WORST.map((state) => hosts.find(({ shown }) => shown === state)).find(Boolean) ??
      hosts[0];
    return found?.name;
  }

  #url(host) {
    return `${this.#page.urls.job}/hosts/${encodeURIComponent(host)}`;
  }

  #download(host, attempt = null, { safe = true } = {}) {
    const which = attempt ? { step: attempt.step, attempt: attempt.n } : {};
    const query = new URLSearchParams({ ...(safe ? { safe: 1 } : {}), ...which });
    return `${this.#url(host)}/log?${query}`;
  }

  #gone(error) {
    if (!(error instanceof Refused)) throw error;
    this.#on.onRefused();
  }
}
