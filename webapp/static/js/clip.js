// Lines of a log that one has chosen, by selecting them or by a link to one: as text, with where they
// are from.

import { Copy } from "./copy.js";
import { fill, gettext, ngettext, number } from "./words.js";

export class Clip {
  #folds;
  #host;
  #copy;

  /** @param button to press @param folds where the lines are @param host gives its name */
  constructor(button, folds, host) {
    this.#folds = folds;
    this.#host = host;
    this.#copy = new Copy(button, () => this.#made());
    document.addEventListener("selectionchange", () => this.paint());
  }

  paint() {
    const n = this.#chosen().length;
    const label = ngettext("Copy %(n)s line", "Copy %(n)s lines", n);
    this.#copy.paint(n > 0, fill(label, { n: number(n) }));
  }

  #made() {
    const lines = this.#chosen();
    const link = lines.map((line) => line.querySelector("a")).find(Boolean);
    const from = link ? [link.href, ""] : [this.#host(), ""];
    const said = ngettext("%(n)s line copied", "%(n)s lines copied", lines.length);
    return {
      text: [...from, ...lines.map((line) => line.querySelector("code").textContent)].join("\n"),
      said: fill(said, { n: number(lines.length) }),
    };
  }

  /** Those that are selected, else the one that is pointed to. */
  #chosen() {
    const selection = getSelection();
    const rows = [...this.#folds.querySelectorAll("details[open] .lines li")];
    const selected = selection.isCollapsed
      ? []
      : rows.filter((row) => selection.containsNode(row.querySelector("code"), true));
    return selected.length ? selected : rows.filter((row) => row.matches(".pointed, .tells"));
  }
}
