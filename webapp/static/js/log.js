// The log of one host: its attempts folded, the one that matters open, the end in view while it
// grows. However much a host prints, only a window of it is ever in the page.

import { parse } from "./ansi.js";
import { element, setClass, setText } from "./dom.js";
import { square, squareClass } from "./marks.js";
import { tell } from "./states.js";
import { clock, fill, gettext, ngettext, number, span } from "./words.js";

/** Lines of a fold in the page; more on request, `WINDOW` at a time. */
const WINDOW = 400;
/** Pixels from the end that still count as being there. */
const NEAR = 32;

export class LogPane {
  /** @param root the section; @param steps names; @param follow its Follow button */
  constructor(root, { model, download }) {
    Object.assign(this, { root, model, download, following: true, folds: new Map(), expectedTop: 0 });
    const part = (name) => root.querySelector(`[data-log=${name}]`);
    this.parts = Object.fromEntries(["square", "name", "state", "page", "why", "folds", "follow", "download", "said", "empty"].map((name) => [name, part(name)]));
    this.parts.folds.addEventListener("scroll", () => this.#scrolled());
    this.parts.follow.addEventListener("click", () => this.#follow(!this.following));
  }

  /** Show another host; its transcript may still be empty. */
  open(transcript, hostUrl) {
    this.transcript = transcript;
    this.folds.clear();
    this.toCome = null;
    this.parts.folds.replaceChildren();
    this.parts.page.href = hostUrl;
    this.parts.download.href = this.download(transcript.host);
    this.root.hidden = false;
    this.#follow(true);
    this.paint();
  }

  close() {
    this.transcript = null;
    this.root.hidden = true;
  }

  /** Draw what is new. */
  paint(now = Date.now()) {
    if (!this.transcript) return;
    const host = this.model.hosts.get(this.transcript.host);
    this.#head(host, now);
    for (const attempt of this.transcript.attempts) {
      if (!this.folds.has(attempt)) this.#add(attempt);
    }
    const chosen = this.#chosen();
    for (const fold of this.folds.values()) {
      if (!fold.byHand) fold.details.open = fold.attempt === chosen;
      fold.paint(now, this.#mode(fold));
    }
    this.#steps(host);
    if (this.following) this.#toEnd(chosen);
  }

  /** Spans that grow, once a second. */
  tick(now) {
    if (!this.transcript) return;
    this.#head(this.model.hosts.get(this.transcript.host), now);
    for (const fold of this.folds.values()) fold.summarise(now);
  }

  #head(host, now) {
    const { square: mark, name, state, why, said } = this.parts;
    const [text, detail] = tell(host, { now });
    setClass(mark, squareClass(host.shown, this.model.progress(host)));
    setText(name, host.name);
    setText(state, text);
    why.hidden = !detail;
    setText(why, detail ?? "");
    setClass(why, host.state === "failed" ? "why failed" : "why");
    const lines = this.transcript.lineCount;
    const count = fill(ngettext("%(n)s line", "%(n)s lines", lines), { n: number(lines) });
    setText(said, this.transcript.complete ? count : fill(gettext("reading what was before: %(lines)s"), { lines: count }));
  }

  /** The attempt one wants to read: what runs, else the last that failed, else the last. */
  #chosen() {
    const attempts = this.transcript.attempts;
    return attempts.findLast(({ state }) => state === "running")
      ?? attempts.findLast(({ state }) => state === "failed" || state === "lost")
      ?? attempts.at(-1);
  }

  #add(attempt) {
    const fold = new Fold(attempt, this.download(this.transcript.host, attempt));
    // Whoever opens or closes a fold wants to read there, and not be carried to the end.
    fold.summary.addEventListener("click", () => {
      fold.byHand = true;
      this.#follow(false);
    });
    fold.details.addEventListener("toggle", () => fold.paint(Date.now(), this.#mode(fold)));
    this.folds.set(attempt, fold);
    this.parts.folds.insertBefore(fold.details, this.toCome);
  }

  /** While a person reads up in the newest output, nothing moves; elsewhere nothing is cut. */
  #mode(fold) {
    const live = fold.attempt === this.#chosen();
    return { growing: !live || this.following, trimming: live && this.following };
  }

  /** The steps that are still to come. */
  #steps(host) {
    const begun = new Set(this.transcript.attempts.map(({ step }) => step));
    const rest = host.state === "succeeded" || host.state === "skipped" ? [] : this.model.steps.filter((step) => !begun.has(step));
    if ((this.toCome?.dataset.steps ?? "") === rest.join()) return;
    this.toCome?.remove();
    this.toCome = null;
    if (!rest.length) return;
    const items = rest.map((step) => element("div", { class: "to-come" }, square("waiting"), element("span", {}, step)));
    this.toCome = element("div", { "data-steps": rest.join() }, ...items);
    this.parts.folds.append(this.toCome);
  }

  #follow(on) {
    this.following = on;
    this.parts.follow.setAttribute("aria-pressed", String(on));
    if (on) this.paint();
  }

  /** Following ends when a person scrolls away from the end, and goes on when they return. */
  #scrolled() {
    const { folds } = this.parts;
    if (Math.abs(folds.scrollTop - this.expectedTop) < 2) return;
    this.expectedTop = -1;
    const atEnd = Math.abs(folds.scrollTop - this.#endTop(this.#chosen())) < NEAR;
    if (atEnd !== this.following) this.#follow(atEnd);
  }

  #toEnd(attempt) {
    this.parts.folds.scrollTop = this.#endTop(attempt);
    this.expectedTop = this.parts.folds.scrollTop;
  }

  /** Where to scroll so that the last line of the attempt is the last one in view. */
  #endTop(attempt) {
    const { folds } = this.parts;
    const fold = this.folds.get(attempt)?.details;
    const end = fold ? fold.offsetTop + fold.offsetHeight : 0;
    return Math.max(0, Math.min(end - folds.clientHeight, folds.scrollHeight - folds.clientHeight));
  }
}

/** One attempt: a line that folds, and a window of what it printed. */
class Fold {
  constructor(attempt, download) {
    this.attempt = attempt;
    this.mark = element("i");
    this.note = element("span", { class: "f-note" });
    this.time = element("span", { class: "num" });
    this.end = element("span", { class: "num" });
    const name = [attempt.step, attempt.kind === "undo" ? gettext("undo") : "", attempt.n > 1 ? fill(gettext("attempt %(n)s"), { n: attempt.n }) : ""];
    this.summary = element("summary", {}, this.mark, element("span", {}, name.filter(Boolean).join(", ")), this.note, this.time, this.end);
    this.earlier = element("div", { class: "earlier", hidden: true });
    this.lines = element("ol", { class: "lines" });
    this.details = element("details", {}, this.summary, this.earlier, this.lines);
    this.byHand = false;
    // Which lines are in the page, counted from the attempt's first: from <= i < to.
    this.from = this.to = 0;
    this.more = element("button", { class: "btn s", type: "button" });
    this.more.addEventListener("click", () => this.#showEarlier());
    this.gone = element("span");
    this.earlier.append(this.more, this.gone, element("a", { href: download, download: "" }, gettext("Download all of it")));
  }

  summarise(now) {
    const { attempt } = this;
    setClass(this.mark, squareClass({ lost: "unknown", abandoned: "cancelled", new: "waiting" }[attempt.state] ?? attempt.state, 3));
    setText(this.time, span(attempt.took(now)));
    setText(this.note, attempt.reason);
    setText(this.end, attempt.rc !== null ? fill(gettext("exit %(rc)s"), { rc: attempt.rc }) : attempt.state === "running" ? gettext("running") : "");
  }

  /** Only an open fold has lines in the page; they grow at its end where that is in view. */
  paint(now, { growing, trimming }) {
    this.summarise(now);
    if (!this.details.open) return;
    const { attempt } = this;
    const end = attempt.dropped + attempt.lines.length;
    if (growing || this.to === 0) this.#extend(end);
    this.#trim(Math.max(attempt.dropped, trimming ? end - WINDOW : 0));
    const above = this.from - attempt.dropped;
    this.earlier.hidden = this.from === 0;
    this.more.hidden = above <= 0;
    setText(this.more, fill(gettext("Show %(n)s earlier lines"), { n: number(Math.min(WINDOW, above)) }));
    setText(this.gone, fill(gettext("%(n)s lines above"), { n: number(this.from) }));
  }

  #extend(end) {
    const { attempt } = this;
    if (end - this.to > WINDOW) {
      // Too much came at once to be read: begin anew at its end.
      this.lines.replaceChildren();
      this.from = this.to = end - WINDOW;
    } else if (this.to > this.from) {
      // The last line may have grown since.
      this.lines.lastChild.remove();
      this.to -= 1;
    }
    const fresh = [];
    for (let i = this.to; i < end; i += 1) fresh.push(lineElement(attempt, i));
    this.lines.append(...fresh);
    this.to = end;
  }

  /** Take lines before `from` out of the page. */
  #trim(from) {
    while (this.from < from && this.lines.firstChild) {
      this.lines.firstChild.remove();
      this.from += 1;
    }
    // All of them were dropped meanwhile: what comes next begins anew.
    if (!this.lines.firstChild) this.from = this.to = Math.max(this.from, from);
  }

  #showEarlier() {
    const { attempt } = this;
    const from = Math.max(attempt.dropped, this.from - WINDOW);
    const fresh = [];
    for (let i = from; i < this.from; i += 1) fresh.push(lineElement(attempt, i));
    this.lines.prepend(...fresh);
    this.from = from;
    this.paint(Date.now(), { growing: false, trimming: false });
  }
}

function lineElement(attempt, i) {
  const line = attempt.lines[i - attempt.dropped];
  const code = element("code");
  for (const { text, classes } of parse(line.text, line.style).pieces) {
    code.append(classes ? element("span", { class: classes }, text) : text);
  }
  if (line.cut) code.append(element("span", { class: "a-dim" }, fill(gettext(" … %(n)s characters more"), { n: number(line.cut) })));
  return element("li", {}, element("i", {}, String(i + 1)), element("time", {}, line.at ? clock(line.at) : ""), code);
}
