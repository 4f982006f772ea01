// One attempt of a step in the log: a line that folds, and a window of what it printed. However
// much that is, only the window is ever in the page.

import { parse } from "./ansi.js";
import { element, setClass, setText } from "./dom.js";
import { attemptClass } from "./marks.js";
import { clock, fill, gettext, number, span } from "./words.js";

/** Lines in the page; more on request, as many at a time. */
const WINDOW = 400;

export class Fold {
  constructor(attempt, download) {
    this.attempt = attempt;
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
    // Which lines are in the page, counted from the attempt's first: from <= i < to.
    this.from = this.to = this.lastSize = 0;
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
    const end = attempt.dropped + attempt.lines.length;
    if (growing || this.to === 0) this.#extend(end);
    this.#trim(Math.max(attempt.dropped, trimming ? end - WINDOW : 0));
    const above = this.from - attempt.dropped;
    this.earlier.hidden = this.from === 0;
    this.more.hidden = above <= 0;
    setText(
      this.more,
      fill(gettext("Show %(n)s earlier lines"), { n: number(Math.min(WINDOW, above)) }),
    );
    setText(this.gone, fill(gettext("%(n)s lines above"), { n: number(this.from) }));
  }

  #extend(end) {
    const { attempt } = this;
    const last = attempt.lines.at(-1);
    const size = last ? last.text.length + last.cut : 0;
    if (end === this.to && size === this.lastSize) return;
    this.lastSize = size;
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
    element("i", {}, String(i + 1)),
    element("time", {}, line.at ? clock(line.at) : ""),
    code,
  );
}
