// Looks for a text in what hosts printed: the server looks through a part at a time, and what it
// finds shows as it comes, with how far it got. Another text, or Escape, ends it.

import { marked, spelledOut } from "./ansi.js";
import { element, setClass, setText } from "./dom.js";
import { squareClass } from "./marks.js";
import { Refused, read } from "./reading.js";
import { word } from "./states.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Lines that are shown; whoever finds more looks for something else. */
const MOST = 1000;
/** Milliseconds after the last key. */
const PAUSE = 300;

export class Search {
  #parts;
  #url;
  #model;
  #host = null;
  #marks = []; // of the hosts beside their hits: {name, mark}
  #on;
  #turn = 0;
  #timer;
  #at = -1;

  /**
   * @param root its parts marked data-search @param url of the API @param onLook what is looked
   * for, "" for nothing @param onGo a hit was chosen @param model the hosts and how they stand
   */
  constructor(root, { url, model, onLook, onGo, onRefused }) {
    this.#url = url;
    this.#model = model;
    this.#on = { onLook, onGo, onRefused };
    this.#parts = Object.fromEntries(
      [...root.querySelectorAll("[data-search]")].map((part) => [part.dataset.search, part]),
    );
    const { text, scope, hits, previous, next, stop } = this.#parts;
    this.hits = [];
    text.addEventListener("input", () => this.#soon(PAUSE));
    scope.addEventListener("change", () => this.#soon(0));
    text.addEventListener("keydown", (event) => this.#key(event));
    hits.addEventListener("click", (event) => {
      const row = event.target.closest("li");
      if (row) this.#go([...hits.children].indexOf(row));
    });
    previous.addEventListener("click", () => this.step(-1));
    next.addEventListener("click", () => this.step(1));
    stop.addEventListener("click", () => this.#end());
  }

  get text() {
    return this.#parts.text.value.trim();
  }

  /** Another host is looked at. */
  of(host) {
    if (this.#host === host) return;
    this.#host = host;
    if (this.text && this.#parts.scope.value === "host") this.#soon(0);
  }

  focus() {
    this.#parts.text.focus();
    this.#parts.text.select();
  }

  /** Look for nothing any more. Gives whether there was something. */
  clear() {
    if (!this.#parts.text.value) return false;
    this.#parts.text.value = "";
    this.#soon(0);
    return true;
  }

  /** @param hosts names of those that changed; `all`: any may have */
  paint(hosts, { all }) {
    for (const { name, mark } of this.#marks) if (all || hosts.has(name)) this.#stand(name, mark);
  }

  /** To the hit after, or before. */
  step(by) {
    if (this.hits.length) this.#go((this.#at + by + this.hits.length) % this.hits.length);
  }

  #key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    }
    if (event.key === "Escape" && this.clear()) event.stopPropagation();
  }

  #soon(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), pause);
  }

  async #look() {
    const { text } = this;
    const turn = (this.#turn += 1);
    this.hits = [];
    this.#at = -1;
    this.#marks = [];
    this.#parts.hits.replaceChildren();
    this.#on.onLook(text);
    if (!text) return this.#say(null);
    const host = this.#parts.scope.value === "host" ? { host: this.#host } : {};
    let after = "";
    do {
      const query = new URLSearchParams({ text, ...host, after });
      const wanted = () => turn === this.#turn;
      const found = await read(`${this.#url}/search?${query}`, { wanted }).catch(gone);
      if (!wanted()) return;
      if (!found) return this.#on.onRefused();
      this.#add(found.hits);
      ({ after } = found);
      this.#say(found);
    } while (after && this.hits.length < MOST);
  }

  #end() {
    this.#turn += 1;
    this.#parts.stop.hidden = true;
  }

  #add(hits) {
    const room = MOST - this.hits.length;
    this.hits.push(...hits.slice(0, room));
    this.#parts.hits.append(...hits.slice(0, room).map((hit) => this.#row(hit)));
  }

  #row({ host, step, line, text }) {
    const everywhere = this.#parts.scope.value !== "host";
    const parts = marked(spelledOut(text), this.text.toLowerCase());
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button" },
        ...(everywhere ? [this.#mark(host), element("b", {}, host)] : []),
        element("span", {}, fill(gettext("%(step)s, line %(line)s"), { step, line: number(line) })),
        element(
          "code",
          {},
          ...parts.map(([part, hit]) => (hit ? element("mark", {}, part) : part)),
        ),
      ),
    );
  }

  #mark(name) {
    const mark = element("i", { role: "img" });
    this.#marks.push({ name, mark });
    this.#stand(name, mark);
    return mark;
  }

  #stand(name, mark) {
    const host = this.#model.hosts.get(name);
    if (!host) return;
    setClass(mark, squareClass(host.shown, this.#model.progress(host)));
    mark.ariaLabel = mark.title = word(host.shown);
  }

  #go(at) {
    const { hits } = this.#parts;
    hits.children[this.#at]?.removeAttribute("aria-current");
    this.#at = at;
    hits.children[at].setAttribute("aria-current", "true");
    hits.children[at].scrollIntoView({ block: "nearest" });
    this.#say(null);
    this.#on.onGo(this.hits[at]);
  }

  /** How many were found, and how far the search got. */
  #say(found) {
    const { said, stop, hits, previous, next } = this.#parts;
    hits.hidden = this.hits.length === 0;
    previous.disabled = next.disabled = this.hits.length === 0;
    if (found) {
      this.far = found.after && this.hits.length < MOST ? found.searched / Math.max(1, found.of) : 1;
      this.more = found.after !== null;
    }
    stop.hidden = !this.text || this.far === 1;
    if (!this.text) return setText(said, "");
    const n = this.hits.length;
    const count =
      this.#at < 0
        ? fill(ngettext("%(n)s line", "%(n)s lines", n), { n: number(n) })
        : fill(gettext("%(at)s of %(n)s"), { at: number(this.#at + 1), n: number(n) });
    const far = this.more
      ? fill(gettext("searched %(part)s"), { part: `${Math.floor(100 * this.far)} %` })
      : "";
    const told =
      n >= MOST && this.#at < 0
        ? [fill(gettext("the first %(n)s"), { n: number(n) })]
        : [count, far].filter(Boolean);
    return setText(said, told.join(gettext(", ")));
  }
}

function gone(error) {
  if (error instanceof Refused) return null;
  throw error;
}
