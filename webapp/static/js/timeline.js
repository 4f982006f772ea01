// The timeline: how long each step takes, and below it every host as a bar of its steps, in whatever
// order one looks for trouble. Bars tell their steps by number and shade, their outcome by shape.

import { bars, share } from "./bars.js";
import { element, setText, svg } from "./dom.js";
import { SORTS, marks, passage, scale, segments, sorted } from "./gantt.js";
import { paces } from "./paces.js";
import { Rows } from "./rows.js";
import { said } from "./segment.js";
import { word } from "./states.js";
import { clock, fill, gettext, number, span } from "./words.js";

const ROW = 22; // pixels, as in timeline.css
const MARK_EVERY = 90; // pixels
/** How often it is drawn again where no bar grows: only the scale goes on with the clock. */
const REST = 30_000; // milliseconds

const NAMES = {
  start: gettext("as they began"),
  longest: gettext("longest first"),
  worst: gettext("worst first"),
  name: gettext("by name"),
};

export class Timeline {
  #model;
  #here;
  #on;
  #parts;
  #rows;
  #hosts = [];
  #scale = { from: 0, span: 1000 };
  #usual = new Map();
  #at = { row: 0, segment: -1 };
  #listed = [];
  #seen = false;
  #moved = false;
  #now = 0;

  /**
   * @param root the section, its parts marked data-timeline @param here the place: `sort`, `lay`
   * @param on `onPick` a host; `needSteps`: the steps of hosts show; `onTurn`: `here` is another
   */
  constructor(root, { model, here }, on) {
    this.#model = model;
    this.#here = here;
    this.#on = on;
    this.#parts = Object.fromEntries(
      [...root.querySelectorAll("[data-timeline]")].map((part) => [part.dataset.timeline, part]),
    );
    const { grid, sort, lay } = this.#parts;
    this.#rows = new Rows(grid, { row: ROW, draw: (i) => this.#row(i) });
    const steps = model.steps.map((step) => [
      `step:${step}`,
      fill(gettext("longest in %(step)s"), { step }),
    ]);
    sort.append(
      ...[...SORTS.map((by) => [by, NAMES[by]]), ...steps].map(
        ([by, text]) => new Option(text, by),
      ),
    );
    sort.addEventListener("change", () => this.#turn({ sort: sort.value }));
    lay.addEventListener(
      "click",
      ({ target }) => target.dataset.lay !== undefined && this.#turn({ lay: target.dataset.lay }),
    );
    grid.addEventListener("keydown", (event) => this.#key(event));
    grid.addEventListener("mousemove", (event) => this.#point(event));
    grid.addEventListener("focus", () => this.#look(this.#at));
    grid.addEventListener("click", (event) => {
      this.#point(event);
      // A row that was drawn anew under the pointer is told by where the pointer was.
      const name = this.#hosts[this.#at.row];
      if (name && event.target !== grid) this.#on.onPick(name);
    });
    new IntersectionObserver((told) => this.#see(told.at(-1).isIntersecting)).observe(root);
  }

  /** As GET /jobs/{id}/pace tells them. */
  pace({ steps }) {
    this.#usual = new Map(steps.map((one) => [one.step, one]));
    const late = [...this.#model.hosts.values()].filter(({ shown }) => shown === "slow");
    this.#parts.steps.replaceChildren(
      ...paces(steps, {
        slow: (step) => late.filter((host) => host.step === step).length,
        onSort: (step) => this.#turn({ sort: `step:${step}` }),
      }),
    );
    this.#paint({ sort: false });
  }

  /** @param listed names of the hosts that show; `all`: others than before, or all of them moved */
  paint(listed, { all }) {
    this.#listed = listed;
    // At first it may be in view only because nothing above it is drawn yet.
    if (all && this.#hosts.length) this.#paint({ sort: false });
    else this.#moved = true;
  }

  /** Bars grow, and hosts move on, once a second: nobody reads them faster. */
  tick() {
    if (this.#moved || this.#grows || this.#isOld) this.#paint({ sort: false });
  }

  get #grows() {
    return this.#listed.some((name) => this.#model.hosts.get(name)?.state === "running");
  }

  get #isOld() {
    return !this.#model.ended && Date.now() - this.#now >= REST;
  }

  #see(seen) {
    this.#seen = seen;
    if (seen) this.#paint({ sort: false });
  }

  #turn(change) {
    Object.assign(this.#here, change);
    this.#on.onTurn();
    this.#at = { row: 0, segment: -1 };
    this.#parts.grid.scrollTop = 0;
    this.#paint({ sort: true });
  }

  #paint({ sort }) {
    if (!(this.#seen || sort) || !this.#listed.length) return;
    this.#moved = false;
    this.#on.needSteps();
    const { grid, lay, n } = this.#parts;
    const now = Date.now();
    const aligned = this.#here.lay === "own";
    const hosts = this.#listed.map((name) => this.#model.hosts.get(name));
    const by = this.#sort();
    // Nothing moves away under a pointer, or while one walks through it.
    const others = hosts.length !== this.#hosts.length;
    if (sort || others || !grid.matches(":hover, :focus"))
      this.#hosts = sorted(hosts, by, now).map(({ name }) => name);
    this.#scale = scale(hosts, { job: this.#model.job, aligned, now });
    this.#now = now;
    this.#parts.sort.value = by;
    for (const button of lay.children)
      button.setAttribute("aria-pressed", String(button.dataset.lay === (aligned ? "own" : "")));
    setText(n, number(hosts.length));
    grid.setAttribute("aria-rowcount", this.#hosts.length);
    this.#axis(aligned);
    this.#rows.count = this.#hosts.length;
    this.#rows.paint();
  }

  #sort() {
    const { sort = "" } = this.#here;
    const known = SORTS.includes(sort) || this.#model.steps.includes(sort.replace(/^step:/, ""));
    return known ? sort : SORTS[0];
  }

  // ---- the bars

  #axis(aligned) {
    const { from, span: whole } = this.#scale;
    const most = Math.max(2, Math.floor(this.#width() / MARK_EVERY));
    const seconds = whole < 10 * 60_000;
    const begun = Boolean(this.#model.job.started_at);
    const marked = (begun ? marks(this.#scale, most, { aligned }) : []).flatMap((at) => [
      svg("line", { x1: share(at, whole), x2: share(at, whole), y1: 12, y2: 18 }),
      svg(
        "text",
        { x: share(at, whole), y: 10 },
        aligned ? span(at / 1000) : clock(from + at, { seconds }),
      ),
    ]);
    this.#parts.axis.replaceChildren(...marked);
  }

  #width() {
    return this.#parts.axis.clientWidth || 600;
  }

  #row(i) {
    const host = this.#model.hosts.get(this.#hosts[i]);
    const whole = passage(host, this.#now);
    const here = i === this.#at.row;
    const bar = svg("svg", {
      class: "track",
      height: ROW,
      role: "img",
      "aria-label": this.#told(host),
    });
    if (whole)
      bar.append(
        ...bars(this.#steps(host), {
          passage: whole,
          zero: this.#here.lay === "own" ? whole.from : this.#scale.from,
          span: this.#scale.span,
          pixels: this.#width(),
          chosen: here ? this.#at.segment : -1,
        }),
      );
    return element(
      "div",
      {
        class: here ? "g-row here" : "g-row",
        role: "row",
        id: `timeline-${i}`,
        "data-host": host.name,
        "data-i": i,
        "aria-rowindex": i + 1,
      },
      element(
        "span",
        { role: "rowheader", class: "g-name" },
        element("i", { class: `sq ${host.shown}${host.shown === "slow" ? " running p3" : ""}` }),
        host.name,
      ),
      element("span", { role: "gridcell", class: "g-bar" }, bar),
      element(
        "span",
        { role: "gridcell", class: "num" },
        whole ? span((whole.to - whole.from) / 1000) : word(host.shown),
      ),
    );
  }

  #steps(host) {
    return segments(host, this.#model.steps, { now: this.#now, usual: this.#usual });
  }

  #told(host) {
    const parts = this.#steps(host);
    return (
      parts
        .map(({ step, seconds, state, unheard }) =>
          unheard
            ? `${step} ${gettext("running when last heard of")}`
            : [step, span(seconds), state === "succeeded" ? "" : word(state)].filter(Boolean).join(" "),
        )
        .join(", ") || word(host.shown)
    );
  }

  // ---- where one is

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { row, segment } = this.#at;
    const last = this.#hosts.length - 1;
    const page = this.#rows.visible - 1;
    const to = {
      ArrowDown: { row: row + 1 },
      ArrowUp: { row: row - 1 },
      PageDown: { row: row + page },
      PageUp: { row: row - page },
      Home: { row: 0 },
      End: { row: last },
      ArrowRight: { row, segment: segment + 1 },
      ArrowLeft: { row, segment: segment - 1 },
    }[event.key];
    if (event.key === "Enter" && this.#hosts[row]) this.#on.onPick(this.#hosts[row]);
    else if (!to || last < 0) return;
    else this.#look({ segment: -1, ...to, row: Math.min(last, Math.max(0, to.row)) });
    event.preventDefault();
  }

  #point({ target }) {
    const row = target.closest("[data-host]");
    if (!row) return;
    const at = { row: Number(row.dataset.i), segment: Number(target.dataset.segment ?? -1) };
    if (at.row !== this.#at.row || at.segment !== this.#at.segment)
      this.#look(at, { scroll: false });
  }

  #look({ row, segment }, { scroll = true } = {}) {
    const host = this.#model.hosts.get(this.#hosts[row]);
    if (!host) return;
    const parts = this.#steps(host);
    this.#at = { row, segment: Math.min(parts.length - 1, Math.max(-1, segment)) };
    if (scroll) this.#rows.reveal(row);
    this.#rows.paint();
    this.#parts.grid.setAttribute("aria-activedescendant", `timeline-${row}`);
    const [name, text] = this.#parts.said.children;
    setText(name, host.name);
    const part = parts[this.#at.segment];
    setText(text, part ? said(part, this.#usual.get(part.step)) : this.#told(host));
  }
}
