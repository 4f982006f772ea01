// Puts what hosts are called, or where they are, to where it can be pasted: for a shell, a ticket, the
// command line's --hosts, the search of this page.

import { setText } from "./dom.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Milliseconds for which it is said that it was done. */
const SAID = 2500;

export class Copying {
  #root;
  #values;

  /**
   * @param root buttons, each with what it copies as `data-copy` @param values gives those values of
   * the hosts that show. Browsers let only pages do it that came over TLS.
   */
  constructor(root, values) {
    this.#root = root;
    this.#values = values;
    for (const button of root.querySelectorAll("[data-copy]")) {
      const text = button.textContent;
      let saying;
      button.addEventListener("click", async () => {
        setText(button, await this.#copy(button.dataset.copy));
        clearTimeout(saying);
        saying = setTimeout(() => setText(button, text), SAID);
      });
    }
  }

  /** @param some whether not all hosts show */
  paint(some) {
    this.#root.hidden = !some || !navigator.clipboard;
  }

  /** Gives what to say of it. */
  async #copy(what) {
    const values = this.#values(what);
    try {
      await navigator.clipboard.writeText(values.join(","));
    } catch {
      return gettext("The browser refused");
    }
    return fill(ngettext("%(n)s copied", "%(n)s copied", values.length), { n: number(values.length) });
  }
}
