// The log of one host: its attempts folded, the one that matters open, and in it the line that tells
// why it failed, or the end while it grows.

import { bare } from "./ansi.js";
import { broken } from "./attempts.js";
import { Clue } from "./clue.js";
import { element, setClass, setText } from "./dom.js";
import { Fold } from "./fold.js";
import { square, squareClass } from "./marks.js";
import { isGone, tell } from "./states.js";
import { fill, gettext, ngettext, number, size } from "./words.js";
import { wrongAfter } from "./wrong.js";

/** Characters of what is said of a host that may be more than a few lines: then they scroll. */
const LONG = 240;
/** Pixels from the end that still count as being there. */
const NEAR = 32;

export class LogPane {
  /**
   * @param root the section, its parts marked data-log @param download gives a log's address
   * @param need reads an attempt's output, see Fold @param told a host that failed, see Clue
   */
  constructor(root, { model, download, need, told }) {
    Object.assign(this, {
      root,
      model,
      download,
      need,
      following: true,
      folds: new Map(),
      expectedTop: 0,
      wanted: null,
      seeks: null,
      marked: null,
      explained: false,
      needle: "",
    });
    this.parts = Object.fromEntries(
      [...root.querySelectorAll("[data-log]")].map((part) => [part.dataset.log, part]),
    );
    this.clue = new Clue(this.parts.clue, { told, onTurn: () => this.#explainAnew() });
    this.parts.folds.addEventListener("scroll", () => this.#scrolled());
    this.parts.follow.addEventListener("click", () => this.toggleFollow());
    this.parts.jump.addEventListener("click", () => this.#follow(true));
    this.parts.wrap.addEventListener("click", () => this.toggleWrap());
    this.parts.widen.addEventListener("click", () => this.toggleWide());
  }

  toggleFollow() {
    this.#follow(!this.following);
  }

  toggleWrap() {
    this.#turn(this.parts.wrap, () => !this.parts.folds.classList.toggle("unwrapped"));
  }

  /** At the cost of what stands beside it; then all of it is in the window. */
  toggleWide() {
    const wide = this.#turn(this.parts.widen, () => this.root.closest(".run").classList.toggle("for-log"));
    if (wide) this.root.scrollIntoView({ block: "nearest" });
  }

  /** Go to the line that tells why the host failed. */
  toCause() {
    this.clue.begin();
    this.#explainAnew();
  }

  #explainAnew() {
    this.explained = false;
    this.wanted = null;
    this.#follow(true);
  }

  /** Go to a line, as soon as it is here: `{step, n, kind, line}`. */
  go(wanted) {
    this.wanted = wanted;
    this.#follow(false);
    this.paint();
  }

  /** Go to the next line that looks like an error, in whatever step: the others are read for it. */
  nextWrong() {
    if (!this.folds.size) return;
    const all = [...this.folds.values()];
    const { fold, place } = this.marked ?? { fold: this.folds.get(this.#chosen()), place: -1 };
    const at = all.indexOf(fold);
    this.seeks = { behind: place, folds: [...all.slice(at), ...all.slice(0, at + 1)] };
    this.#follow(false);
    this.#seek();
  }

  #seek() {
    const { folds } = this.seeks;
    for (; folds.length; folds.shift(), this.seeks.behind = -1) {
      const [fold] = folds;
      const { attempt } = fold;
      if (!attempt.asked && attempt.bytes) this.need(attempt);
      if (attempt.start === null && attempt.bytes) return; // goes on once it is read
      const place = wrongAfter(attempt, this.seeks.behind);
      if (place === null) continue;
      this.seeks = null;
      fold.byHand = fold.details.open = true;
      for (const other of this.folds.values()) other.unmark("pointed");
      fold.reveal(place, "pointed");
      this.marked = { fold, place };
      return this.#soon();
    }
    this.seeks = null;
  }

  /** Show a text wherever it is; "" for none. */
  highlight(needle) {
    this.needle = needle;
    for (const fold of this.folds.values()) fold.highlight(needle);
    this.paint();
  }

  /** Show another host; its transcript may still be empty. */
  open(transcript, hostUrl) {
    this.transcript = transcript;
    this.folds.clear();
    this.wanted = null;
    this.seeks = this.marked = null;
    this.explained = false;
    this.clue.begin();
    this.toCome = null;
    this.parts.folds.replaceChildren();
    this.parts.page.href = hostUrl;
    this.parts.download.href = this.download(transcript.host);
    this.parts.raw.href = this.download(transcript.host, null, { safe: false });
    this.root.hidden = false;
    this.#follow(true);
    this.paint();
  }

  /** Draw what is new. */
  paint(now = Date.now()) {
    if (!this.transcript) return;
    const host = this.model.hosts.get(this.transcript.host);
    this.#head(host, now);
    for (const attempt of this.transcript.attempts) {
      if (!this.folds.has(attempt)) this.#add(attempt);
    }
    this.clue.paint(host);
    const chosen = this.#chosen();
    for (const fold of this.folds.values()) {
      if (!fold.byHand) fold.details.open = fold.attempt === chosen;
      fold.paint(now, { stick: this.following && fold.attempt === chosen, gone: gone(host) });
    }
    this.#steps(host);
    if (this.seeks) this.#seek();
    if (this.wanted) this.#bring();
    else if (this.following) this.#explain(chosen);
    if (this.following) this.#toEnd(chosen);
    this.expectedTop = this.parts.folds.scrollTop;
    this.parts.jump.hidden = this.following || chosen?.state !== "running";
  }

  /** The line that somebody wants to see, once it is known where it is. */
  #bring() {
    const { step, n, kind, line } = this.wanted;
    const fold = [...this.folds.values()].find(
      ({ attempt }) => attempt.step === step && attempt.n === n && attempt.kind === kind,
    );
    if (!fold) return;
    fold.byHand = true;
    if (!fold.details.open) {
      fold.details.open = true;
      fold.paint(Date.now(), { gone: gone(this.model.hosts.get(this.transcript.host)) });
    }
    const { attempt } = fold;
    if (attempt.origin === null) return;
    const place = Math.min(attempt.origin + line - 1, attempt.printed.end - 1);
    fold.reveal(place, "pointed");
    // Until it has been read, those above it may still grow.
    if (attempt.lineAt(place)) this.wanted = null;
  }

  /** The line that tells why the host failed: once, and not to who has begun to read. */
  #explain(chosen) {
    const { line } = this.clue;
    if (this.explained || !line || !chosen) return;
    const fold = this.folds.get(chosen);
    fold.details.open = true;
    const { lines, first } = chosen.printed;
    const place = lines.findLastIndex(({ text }) => bare(text).includes(line));
    if (place < 0) return;
    this.explained = true;
    this.#follow(false);
    this.marked = { fold, place: first + place };
    fold.reveal(first + place, "tells");
  }

  /** Spans that grow, once a second. */
  tick(now) {
    if (!this.transcript) return;
    const host = this.model.hosts.get(this.transcript.host);
    this.#head(host, now);
    for (const fold of this.folds.values()) fold.summarise(now, gone(host));
  }

  #head(host, now) {
    const { square: mark, name, state, why, told, said } = this.parts;
    const [text, detail] = tell(host, { now });
    setClass(mark, squareClass(host.shown, this.model.progress(host)));
    setText(name, host.name);
    setText(state, text);
    why.hidden = !detail;
    setText(told, detail ?? "");
    if (detail?.length > LONG) why.tabIndex = 0;
    else why.removeAttribute("tabindex");
    setClass(why, host.state === "failed" ? "why failed" : "why");
    const { lineCount, whole, bytes } = this.transcript;
    const lines = fill(ngettext("%(n)s line", "%(n)s lines", lineCount), { n: number(lineCount) });
    setText(
      said,
      whole ? lines : fill(gettext("%(lines)s read, of %(size)s"), { lines, size: size(bytes) }),
    );
  }

  /** The attempt one wants to read: what runs, else what tells why it failed, else the last. */
  #chosen() {
    const { attempts } = this.transcript;
    const runs = attempts.findLast(({ state }) => state === "running");
    return runs ?? this.clue.attempt(attempts) ?? broken(attempts) ?? attempts.at(-1);
  }

  #add(attempt) {
    const { host } = this.transcript;
    const download = this.download(host, attempt);
    const scroller = this.parts.folds;
    const fold = new Fold(attempt, { scroller, host, download, need: this.need });
    fold.highlight(this.needle);
    // Whoever opens or closes a fold wants to read there, and not be carried to the end.
    fold.summary.addEventListener("click", () => {
      fold.byHand = true;
      this.#follow(false);
    });
    fold.details.addEventListener("toggle", () => this.#soon());
    this.folds.set(attempt, fold);
    this.parts.folds.insertBefore(fold.details, this.toCome);
  }

  /** The steps that are still to come. */
  #steps(host) {
    const begun = new Set(this.transcript.attempts.map(({ step }) => step));
    const rest =
      host.state === "succeeded" || host.state === "skipped"
        ? []
        : this.model.steps.filter((step) => !begun.has(step));
    if ((this.toCome?.dataset.steps ?? "") === rest.join()) return;
    this.toCome?.remove();
    this.toCome = null;
    if (!rest.length) return;
    const items = rest.map((step) =>
      element("div", { class: "to-come" }, square("waiting"), element("span", {}, step)),
    );
    this.toCome = element("div", { "data-steps": rest.join() }, ...items);
    this.parts.folds.append(this.toCome);
  }

  /** The line in view stays in view. @param act lays lines otherwise, gives whether that is on now */
  #turn(button, act) {
    const anchors = [...this.folds.values()].map(({ lines }) => lines.anchor());
    const on = act();
    anchors.find(Boolean)?.();
    button.setAttribute("aria-pressed", String(on));
    this.paint();
    return on;
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
    this.expectedTop = folds.scrollTop;
    this.wanted = null;
    const chosen = this.#chosen();
    const atEnd = Math.abs(folds.scrollTop - this.#endTop(chosen)) < NEAR;
    this.explained = true;
    if (atEnd !== this.following && (!atEnd || chosen?.state === "running")) this.#follow(atEnd);
    this.#soon();
  }

  /** Lines that come into view are drawn with the next frame. */
  #soon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.paint();
    });
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

/** What a host shows as of which nobody hears; null for any other. */
function gone(host) {
  return isGone(host) ? host.shown : null;
}
