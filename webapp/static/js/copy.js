// Puts text where it can be pasted: what hosts are called, or where they are, for a shell, a ticket, the
// command line's --hosts, the search of this page; what broke and lines of a log, for those who are
// told of it.

import { setText } from "./dom.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Milliseconds for which it is said that it was done. */
const SAID = 2500;

export class Copying {
  #root;

  /** @param root buttons, each with what it copies as `data-copy` @param values gives those values of
   * the hosts that show */
  constructor(root, values) {
    this.#root = root;
    for (const button of root.querySelectorAll("[data-copy]"))
      new Copy(button, () => listed(values(button.dataset.copy))).paint(true, button.textContent);
  }

  /** @param some whether not all hosts show */
  paint(some) {
    this.#root.hidden = !some || !navigator.clipboard;
  }
}

function listed(values) {
  const said = ngettext("%(n)s copied", "%(n)s copied", values.length);
  return { text: values.join(","), said: fill(said, { n: number(values.length) }) };
}

/** One button. */
export class Copy {
  #button;
  #make;
  #label = "";
  #saying = null;

  /** @param make gives `{text, said}`: what to copy, and what is said when it is done. Browsers let
   * only pages do it that came over TLS. */
  constructor(button, make) {
    this.#button = button;
    this.#make = make;
    // What is selected stays so, and is what is copied.
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => this.#copy());
  }

  /** @param any whether there is something to copy */
  paint(any, label) {
    this.#label = label;
    this.#button.hidden = !any || !navigator.clipboard;
    if (this.#saying === null) setText(this.#button, label);
  }

  async #copy() {
    const { text, said } = this.#make();
    try {
      await navigator.clipboard.writeText(text);
      setText(this.#button, said);
    } catch {
      setText(this.#button, gettext("The browser refused"));
    }
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => {
      this.#saying = null;
      setText(this.#button, this.#label);
    }, SAID);
  }
}
