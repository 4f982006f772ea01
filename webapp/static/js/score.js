// The box score: how many hosts are in which state. Its entries are the filters and the legend.

import { element, setText } from "./dom.js";
import { square } from "./marks.js";
import { SCORE } from "./states.js";
import { number } from "./words.js";

const SAMPLE = { running: "running p3", slow: "running slow p3" };

export class Score {
  /** @param onToggle called with the state whose entry was pressed */
  constructor(root, onToggle) {
    this.entries = SCORE.map((entry) => {
      // Before the hosts are read nobody knows.
      const count = element("b", {}, "–");
      const chip = element(
        "button",
        { class: "chip", type: "button", "aria-pressed": "false", hidden: entry.rare },
        element("span", {}, square(SAMPLE[entry.shown] ?? entry.shown), count),
        entry.word,
      );
      chip.addEventListener("click", () => onToggle(entry.shown));
      root.append(chip);
      return { ...entry, chip, count };
    });
  }

  /** The n-th of the entries that show. Gives whether there is one. */
  press(n) {
    const shown = this.entries.filter(({ chip }) => !chip.hidden)[n - 1];
    shown?.chip.click();
    return Boolean(shown);
  }

  paint(counts, show) {
    for (const { shown, rare, hot, chip, count } of this.entries) {
      const n = counts[shown] ?? 0;
      setText(count, number(n));
      chip.hidden = Boolean(rare) && n === 0 && !show.has(shown);
      chip.classList.toggle("zero", n === 0);
      chip.classList.toggle("hot", Boolean(hot) && n > 0);
      chip.setAttribute("aria-pressed", String(show.has(shown)));
    }
  }
}
