// One attempt of a step in the log: a line that folds, and what it printed. What it needs of that
// is read when it is opened, and as one scrolls.

import { marked, parse } from "./ansi.js";
import { element, setClass, setText } from "./dom.js";
import { Lines } from "./lines.js";
import { attemptClass } from "./marks.js";
import { lineHash } from "./place.js";
import { clock, fill, gettext, ngettext, number, size, span, until } from "./words.js";
import { countWrong, looksWrong } from "./wrong.js";

export class Fold {
  /** The places of lines that a link, or the cause of a failure, points to. */
  #pointed = new Map(); // place -> class
  #needle = "";
  #counted = { to: 0, n: 0 }; // lines that look like errors

  /** `need(attempt)` reads its output, `need(attempt, {from, to})` lines of it by their places. */
  constructor(attempt, { scroller, host, download, need }) {
    Object.assign(this, { attempt, host, need });
    this.mark = element("i");
    this.note = element("span", { class: "f-note" });
    this.time = element("span", { class: "num" });
    this.end = element("span", { class: "num" });
    const name = [
      attempt.step,
      attempt.kind === "undo" ? gettext("undo") : "",
      attempt.n > 1 ? fill(gettext("attempt %(n)s"), { n: attempt.n }) : "",
    ];
    this.summary = element(
      "summary",
      {},
      this.mark,
      element("span", {}, name.filter(Boolean).join(", ")),
      this.note,
      this.time,
      this.end,
    );
    this.said = element("span");
    this.notes = element(
      "p",
      { class: "earlier", hidden: true },
      this.said,
      element("a", { href: download, download: "" }, gettext("Download all of it")),
    );
    this.lines = new Lines(scroller, {
      get low() {
        return attempt.low;
      },
      get end() {
        return attempt.printed.end;
      },
      look: (place) => this.#look(place),
      draw: (place) => this.#draw(place),
      need: (from, to) => this.#needLines(from, to),
    });
    this.details = element("details", {}, this.summary, this.notes, this.lines.root);
    this.byHand = false;
  }

  /** @param gone where nobody hears of its host: what that shows as; what ran there may not run now */
  summarise(now, gone = null) {
    const { attempt } = this;
    const unheard = attempt.state === "lost" || (gone !== null && attempt.state === "running");
    const heard = Date.parse(attempt.printed.lines.at(-1)?.at ?? attempt.begun);
    const ago = { time: until((now - heard) / 1000) };
    setClass(this.mark, attemptClass(unheard ? (gone ?? attempt.state) : attempt.state));
    setText(this.time, unheard ? "" : span(attempt.took(now)));
    setText(this.note, unheard ? fill(gettext("running when last heard of, %(time)s ago"), ago) : attempt.reason || this.#wrong());
    setClass(this.note, unheard ? "f-note unheard" : "f-note");
    const status = attempt.rc === null ? "" : fill(gettext("exit %(rc)s"), { rc: attempt.rc });
    setText(this.end, status || (attempt.state === "running" && !unheard ? gettext("running") : ""));
  }

  /** Only an open fold has lines in the page. */
  paint(now, { stick = false, gone = null } = {}) {
    this.summarise(now, gone);
    if (!this.details.open) return;
    const { attempt } = this;
    if (!attempt.asked) this.need(attempt);
    this.notes.hidden = !attempt.uncountable;
    setText(
      this.said,
      fill(gettext("%(size)s above; its lines are too many to be numbered here"), {
        size: size(attempt.start ?? 0),
      }),
    );
    this.lines.paint({ stick });
  }

  /** Of a step that ended well: what has been read of it may say otherwise. */
  #wrong() {
    const { state, printed } = this.attempt;
    if (state !== "succeeded") return "";
    if (this.#counted.to !== printed.end) this.#counted = { to: printed.end, n: countWrong(this.attempt) };
    const { n } = this.#counted;
    return n ? fill(ngettext("%(n)s line looks like an error", "%(n)s lines look like errors", n), { n: number(n) }) : "";
  }

  /** Show what was looked for wherever it is. */
  highlight(needle) {
    this.#needle = needle.toLowerCase();
  }

  /** Bring a line into view and mark it. */
  reveal(place, kind) {
    this.unmark(kind);
    this.#pointed.set(place, kind);
    this.lines.reveal(place);
  }

  unmark(kind) {
    for (const [place, was] of this.#pointed) if (was === kind) this.#pointed.delete(place);
  }

  #needLines(from, to) {
    const missing = this.attempt.missing(from, to);
    if (missing) this.need(this.attempt, missing);
  }

  #look(place) {
    const line = this.attempt.lineAt(place);
    return [
      line ? line.text.length + line.cut : "",
      this.attempt.numberOf(place),
      this.#pointed.get(place),
      this.#needle,
    ].join("|");
  }

  #draw(place) {
    const { attempt } = this;
    const line = attempt.lineAt(place);
    const n = attempt.numberOf(place);
    const code = element("code");
    const wrong = line && looksWrong(line.text);
    if (line) code.append(...this.#pieces(line));
    return element(
      "li",
      {
        class: this.#pointed.get(place) ?? (wrong ? "wrong" : line ? null : "to-read"),
        title: wrong ? gettext("looks like an error") : null,
      },
      n === null
        ? element("i")
        : element("a", { href: lineHash({ ...attempt, host: this.host, line: n }) }, String(n)),
      element("time", {}, line?.at ? clock(line.at) : ""),
      code,
    );
  }

  #pieces({ text, style, cut }) {
    const shown = parse(text, style).pieces.map((piece) => {
      const parts = marked(piece.text, this.#needle).map(([part, hit]) =>
        hit ? element("mark", {}, part) : part,
      );
      return element("span", { class: piece.classes || null }, ...parts);
    });
    if (cut) {
      const more = fill(gettext(" … %(n)s characters more"), { n: number(cut) });
      shown.push(element("span", { class: "a-dim" }, more));
    }
    return shown;
  }
}
