// One attempt of a step in the log: a line that folds, and a window of what it printed. However
// much that is, only the window is ever in the page, and what it needs is read when it is opened.

import { parse } from "./ansi.js";
import { element, setClass, setText } from "./dom.js";
import { attemptClass } from "./marks.js";
import { clock, fill, gettext, number, size, span } from "./words.js";

/** Lines in the page; more on request, as many at a time. */
const WINDOW = 400;

export class Fold {
  /** `need(attempt, {earlier})` reads its output, or what comes before what is here. */
  constructor(attempt, { download, need }) {
    Object.assign(this, { attempt, need });
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
    this.earlier = element("div", { class: "earlier", hidden: true });
    this.lines = element("ol", { class: "lines" });
    this.details = element("details", {}, this.summary, this.earlier, this.lines);
    this.byHand = false;
    // Which places are in the page: from <= place < to; null: none yet.
    this.from = this.to = null;
    this.lastLength = 0;
    this.more = element("button", { class: "btn s", type: "button" });
    this.more.addEventListener("click", () => this.#showEarlier());
    this.gone = element("span");
    this.earlier.append(
      this.more,
      this.gone,
      element("a", { href: download, download: "" }, gettext("Download all of it")),
    );
  }

  summarise(now) {
    const { attempt } = this;
    setClass(this.mark, attemptClass(attempt.state));
    setText(this.time, span(attempt.took(now)));
    setText(this.note, attempt.reason);
    setText(
      this.end,
      attempt.rc !== null
        ? fill(gettext("exit %(rc)s"), { rc: attempt.rc })
        : attempt.state === "running"
          ? gettext("running")
          : "",
    );
  }

  /** Only an open fold has lines in the page; they grow at its end where that is in view. */
  paint(now, { growing, trimming }) {
    this.summarise(now);
    if (!this.details.open) return;
    const { attempt } = this;
    const { printed } = attempt;
    if (!attempt.asked) this.need(attempt);
    if (this.printed !== printed) this.#beginAnew(printed);
    if (growing || this.to === null) this.#extend(printed.end);
    this.#trim(Math.max(printed.first, trimming ? printed.end - WINDOW : printed.first));
    const above = this.from - printed.first;
    const all = attempt.numberOf(this.from);
    this.earlier.hidden = all === 1 || attempt.start === null;
    this.more.hidden = above <= 0 && !attempt.canGoBack;
    const shown = above > 0 ? Math.min(WINDOW, above) : WINDOW;
    setText(this.more, fill(gettext("Show %(n)s earlier lines"), { n: number(shown) }));
    setText(
      this.gone,
      all === null
        ? fill(gettext("%(size)s above"), { size: size(attempt.start) })
        : fill(gettext("%(n)s lines above"), { n: number(all - 1) }),
    );
  }

  #beginAnew(printed) {
    this.printed = printed;
    this.lines.replaceChildren();
    this.from = this.to = null;
    this.lastLength = 0;
  }

  #extend(end) {
    const { attempt, printed } = this;
    const last = printed.lines.at(-1);
    const length = last ? last.text.length + last.cut : 0;
    if (end === this.to && length === this.lastLength) return;
    this.lastLength = length;
    if (this.to === null || end - this.to > WINDOW) {
      // Too much came at once to be read: begin anew at its end.
      this.lines.replaceChildren();
      this.from = this.to = Math.max(printed.first, end - WINDOW);
    } else if (this.to > this.from) {
      // The last line may have grown since.
      this.lines.lastChild.remove();
      this.to -= 1;
    }
    this.lines.append(...this.#elements(this.to, end));
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

  async #showEarlier() {
    const { attempt, printed } = this;
    if (this.from <= printed.first) {
      this.more.disabled = true;
      await this.need(attempt, { earlier: true });
      this.more.disabled = false;
      // What is shown may have got the other half of its first line, and other colours.
      this.lines.replaceChildren(...this.#elements(this.from, this.to));
    }
    const from = Math.max(printed.first, this.from - WINDOW);
    this.lines.prepend(...this.#elements(from, this.from));
    this.from = from;
    this.paint(Date.now(), { growing: false, trimming: false });
  }

  #elements(from, to) {
    return Array.from({ length: to - from }, (_, i) => lineElement(this.attempt, from + i));
  }
}

function lineElement(attempt, place) {
  const line = attempt.printed.lines[place - attempt.printed.first];
  const code = element("code");
  for (const { text, classes } of parse(line.text, line.style).pieces) {
    code.append(classes ? element("span", { class: classes }, text) : text);
  }
  if (line.cut)
    code.append(
      element(
        "span",
        { class: "a-dim" },
        fill(gettext(" … %(n)s characters more"), { n: number(line.cut) }),
      ),
    );
  return element(
    "li",
    {},
    element("i", {}, String(attempt.numberOf(place) ?? "")),
    element("time", {}, line.at ? clock(line.at) : ""),
    code,
  );
}
