// The log of one host: its attempts folded, the one that matters open, the end in view while it
// grows.

import { element, setClass, setText } from "./dom.js";
import { Fold } from "./fold.js";
import { square, squareClass } from "./marks.js";
import { tell } from "./states.js";
import { fill, gettext, ngettext, number, size } from "./words.js";

/** Pixels from the end that still count as being there. */
const NEAR = 32;

export class LogPane {
  /**
   * @param root the section, its parts marked data-log @param download gives a log's address
   * @param need reads an attempt's output, see Fold
   */
  constructor(root, { model, download, need }) {
    Object.assign(this, {
      root,
      model,
      download,
      need,
      following: true,
      folds: new Map(),
      expectedTop: 0,
    });
    this.parts = Object.fromEntries(
      [...root.querySelectorAll("[data-log]")].map((part) => [part.dataset.log, part]),
    );
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
    const { lineCount, whole, bytes } = this.transcript;
    const lines = fill(ngettext("%(n)s line", "%(n)s lines", lineCount), { n: number(lineCount) });
    setText(
      said,
      whole ? lines : fill(gettext("%(lines)s read, of %(size)s"), { lines, size: size(bytes) }),
    );
  }

  /** The attempt one wants to read: what runs, else the last that failed, else the last. */
  #chosen() {
    const attempts = this.transcript.attempts;
    return (
      attempts.findLast(({ state }) => state === "running") ??
      attempts.findLast(({ state }) => state === "failed" || state === "lost") ??
      attempts.at(-1)
    );
  }

  #add(attempt) {
    const download = this.download(this.transcript.host, attempt);
    const fold = new Fold(attempt, { download, need: this.need });
    // Whoever opens or closes a fold wants to read there, and not be carried to the end.
    fold.summary.addEventListener("click", () => {
      fold.byHand = true;
      this.#follow(false);
    });
    fold.more.addEventListener("click", () => this.#follow(false));
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

  #follow(on) {
    this.following = on;
    this.parts.follow.setAttribute("aria-pressed", String(on));
    if (on) this.paint();
  }

  /** Following ends when a person scrolls away from the end, and goes on when they return. */
  #scrolled() {
    const { folds } = this.parts;
    if (Math.abs(folds.scrollTop - this.expectedTop) < 2) return;
    this.expectedTop = NaN;
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
