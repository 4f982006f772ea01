// Puts names of hosts where they can be pasted: for a shell, a ticket, the command line's --hosts.

import { setText } from "./dom.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Milliseconds for which it is said that it was done. */
const SAID = 2500;

export class CopyNames {
  #button;
  #names;
  #saying = null;

  /** @param names gives those to copy. Browsers let only pages do it that came over TLS. */
  constructor(button, names) {
    this.#button = button;
    this.#names = names;
    button.addEventListener("click", () => this.#copy());
  }

  /** @param some whether not all hosts show */
  paint(some) {
    this.#button.hidden = !some || !navigator.clipboard;
    if (this.#saying === null) setText(this.#button, gettext("Copy names"));
  }

  async #copy() {
    const names = this.#names();
    const many = { n: number(names.length) };
    const done = ngettext("%(n)s name copied", "%(n)s names copied", names.length);
    try {
      await navigator.clipboard.writeText(names.join(","));
      setText(this.#button, fill(done, many));
    } catch {
      setText(this.#button, gettext("The browser refused"));
    }
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => {
      this.#saying = null;
      setText(this.#button, gettext("Copy names"));
    }, SAID);
  }
}
