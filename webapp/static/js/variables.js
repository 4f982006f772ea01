// What the scripts on the chosen host are given, and where each value comes from. Read when seen.

import { spelledOut } from "./ansi.js";
import { element, setText } from "./dom.js";
import { read, Refused } from "./reading.js";
import { gettext } from "./words.js";

const SOURCES = {
  job: gettext("asked for by this job"),
  host: gettext("the host's own"),
  game: gettext("the game's"),
  recipe: gettext("the recipe's default"),
  given: gettext("given to every script"),
  earlier: gettext("fixed when the host began, changed since"),
};

export class Variables {
  #root;
  #parts;
  #url;
  #onRefused;
  #name = null;
  #told = null; // of whom, as a text
  #asked = false;
  #seen = false;

  /** @param root the section, its parts marked data-variables @param url of a host by its name */
  constructor(root, { url, onRefused }) {
    this.#parts = Object.fromEntries(
      [...root.querySelectorAll("[data-variables]")].map((part) => [part.dataset.variables, part]),
    );
    this.#url = url;
    this.#onRefused = onRefused;
    this.#root = root;
  }

  /** Once all above it is drawn: before, it would be in view without anybody looking. */
  begin() {
    new IntersectionObserver((entries) => {
      this.#seen = entries.at(-1).isIntersecting;
      this.#ask();
    }).observe(this.#root);
  }

  /** Another host was chosen, or has begun. */
  of(name, begun) {
    const told = JSON.stringify([name, begun]);
    if (told === this.#told || !name) return;
    this.#name = name;
    this.#told = told;
    this.#asked = false;
    this.#ask();
  }

  async #ask() {
    if (!this.#seen || this.#asked || !this.#name) return;
    this.#asked = true;
    const told = this.#told;
    const wanted = () => told === this.#told;
    try {
      const page = await read(`${this.#url(this.#name)}/variables`, { wanted });
      if (wanted()) this.#paint(page);
    } catch (error) {
      if (error instanceof Refused) this.#onRefused();
      else if (wanted()) throw error;
    }
  }

  #paint({ fixed, variables }) {
    setText(this.#parts.name, this.#name);
    setText(this.#parts.note, fixed ? "" : gettext("The host has not begun: these may still change."));
    this.#parts.rows.replaceChildren(
      ...variables.map((one) =>
        element(
          "tr",
          {},
          element("th", { scope: "row", class: "mono" }, one.name),
          element("td", {}, value(one)),
          element("td", { class: "muted" }, SOURCES[one.source] ?? one.source),
        ),
      ),
    );
  }
}

function value({ value: text, secret }) {
  if (secret) return element("span", {}, "••••••", " ", element("span", { class: "muted" }, gettext("secret")));
  if (text === null) return element("span", { class: "muted" }, gettext("not known yet"));
  if (text === "") return element("span", { class: "muted" }, gettext("empty"));
  return element("code", { class: "break" }, spelledOut(text));
}
