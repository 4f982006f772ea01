// The start page: hosts are picked from a long list that is searched by name and label. What is
// picked stands in a text of names, which is what the form sends.

import { element, setText } from "./dom.js";
import { finder, words } from "./finding.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Rows that are drawn at first, and again whenever the end comes near. */
const DRAWN = 100;
const ANSWER_WITHIN = 20_000; // milliseconds
/** Names of unknown hosts that are spelled out. */
const NAMED = 5;

export class Picker {
  /** @param root the place, with `data-hosts`, where they are read @param names the text */
  constructor(root, names) {
    Object.assign(this, { root, names, hosts: null, found: [], at: -1, drawn: 0 });
    this.picked = new Set(words(names.value));
    const part = (name) => root.querySelector(`[data-pick=${name}]`);
    Object.assign(this, { search: part("search"), list: part("list"), said: part("said") });
    this.all = part("all");
    this.none = part("none");
    this.search.addEventListener("input", (event) => {
      event.stopPropagation(); // the order is the same
      this.#find();
    });
    this.search.addEventListener("keydown", (event) => this.#key(event));
    this.search.addEventListener("paste", (event) => this.#paste(event));
    this.list.addEventListener("click", ({ target }) => {
      const row = target.closest("[role=option]");
      if (row) this.#toggle(Number(row.dataset.n));
    });
    this.list.addEventListener("scroll", () => {
      if (this.list.scrollTop + 2 * this.list.clientHeight > this.list.scrollHeight) this.#draw();
    });
    this.all.addEventListener("click", () => this.#change(this.found, true));
    this.none.addEventListener("click", () => this.#change([...this.picked].map(named), false));
  }

  /** Read the hosts, once, when they are first wanted. */
  async open() {
    if (this.hosts) return;
    this.hosts = [];
    setText(this.said, gettext("The hosts are being read."));
    try {
      const answer = await fetch(this.root.dataset.hosts, {
        signal: AbortSignal.timeout(ANSWER_WITHIN),
      });
      this.hosts = (await answer.json()).hosts;
      this.known = new Set(this.hosts.map(({ name }) => name));
      this.#find();
    } catch {
      this.hosts = null;
      setText(this.said, gettext("The hosts could not be read; names can be typed below."));
    }
  }

  /** The text was written by somebody else: what is picked follows it. */
  follow() {
    const now = words(this.names.value);
    if (now.length === this.picked.size && now.every((name) => this.picked.has(name))) return;
    this.picked = new Set(now);
    this.#mark();
  }

  #find() {
    const wanted = finder(this.search.value, (name) => this.known?.has(name));
    this.found = wanted ? this.hosts.filter(wanted) : this.hosts;
    this.list.replaceChildren();
    this.list.scrollTop = 0;
    this.drawn = 0;
    this.#draw();
    this.#go(this.found.length && wanted ? 0 : -1);
    this.#mark();
  }

  #draw() {
    const more = this.found.slice(this.drawn, this.drawn + DRAWN);
    this.list.append(
      ...more.map(({ name, labels, busy }, i) =>
        element(
          "li",
          {
            id: `pick-${this.drawn + i}`,
            role: "option",
            "data-n": this.drawn + i,
            "aria-selected": String(this.picked.has(name)),
          },
          element("span", {}, name),
          element("small", {}, busy ? fill(gettext("busy with job #%(job)s"), { job: busy }) : said(labels)),
        ),
      ),
    );
    this.drawn += more.length;
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / 32));
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) this.#go(this.at + steps[event.key]);
    else if (event.key === "Enter" && this.at >= 0) this.#toggle(this.at);
    else if (event.key === "Escape" && this.search.value) {
      this.search.value = "";
      this.#find();
    } else if (event.key !== "Enter") return;
    event.preventDefault(); // an Enter here starts no update
  }

  /** The row that the keyboard is at. */
  #go(to) {
    this.list.querySelector(".at")?.classList.remove("at");
    this.at = Math.max(-1, Math.min(to, this.found.length - 1));
    while (this.at >= this.drawn) this.#draw();
    const row = this.at >= 0 ? this.list.children[this.at] : null;
    row?.classList.add("at");
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.search.setAttribute("aria-activedescendant", row.id);
    else this.search.removeAttribute("aria-activedescendant");
  }

  #toggle(n) {
    const host = this.found[n];
    this.#change([host], !this.picked.has(host.name));
    this.#go(n);
  }

  /** Several names at once, out of a ticket or a table: they are picked as they are. */
  #paste(event) {
    const pasted = words(event.clipboardData.getData("text"));
    if (pasted.length < 2) return;
    event.preventDefault();
    const unknown = pasted.filter((name) => !this.known?.has(name));
    this.#change(pasted.filter((name) => this.known?.has(name)).map(named), true);
    if (!unknown.length) return;
    const names = unknown.slice(0, NAMED).join(", ") + (unknown.length > NAMED ? " …" : "");
    const text = ngettext(
      "%(n)s name is not a host of this game: %(names)s",
      "%(n)s names are not hosts of this game: %(names)s",
      unknown.length,
    );
    setText(this.said, `${this.said.textContent} ${fill(text, { n: number(unknown.length), names })}`);
  }

  #change(hosts, picked) {
    for (const { name } of hosts) {
      if (picked) this.picked.add(name);
      else this.picked.delete(name);
    }
    this.names.value = [...this.picked].join(" ");
    this.#mark();
    this.names.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #mark() {
    for (const row of this.list.children) {
      const is = String(this.picked.has(this.found[Number(row.dataset.n)].name));
      if (row.getAttribute("aria-selected") !== is) row.setAttribute("aria-selected", is);
    }
    const searched = this.search.value.trim() !== "";
    const many = { n: number(this.picked.size), of: number(this.hosts?.length ?? 0) };
    const found = ngettext("%(n)s host found", "%(n)s hosts found", this.found.length);
    setText(
      this.said,
      [
        fill(gettext("%(n)s of %(of)s picked"), many),
        searched ? fill(found, { n: number(this.found.length) }) : "",
      ]
        .filter(Boolean)
        .join(gettext(", ")),
    );
    setText(
      this.all,
      searched
        ? fill(ngettext("Pick the %(n)s found", "Pick the %(n)s found", this.found.length), {
            n: number(this.found.length),
          })
        : gettext("Pick all"),
    );
    this.all.disabled = !this.found.some(({ name }) => !this.picked.has(name));
    this.none.disabled = !this.picked.size;
  }
}

function said(labels) {
  return Object.entries(labels)
    .map((pair) => pair.join("="))
    .join(" ");
}

function named(name) {
  return { name };
}

const root = globalThis.document?.getElementById("pick");
if (root) {
  const form = document.getElementById("start");
  const picker = new Picker(root, form.elements.names);
  const openIfWanted = () => {
    if (form.elements.which.value === "names") picker.open();
  };
  form.addEventListener("change", openIfWanted);
  form.addEventListener("input", () => picker.follow());
  openIfWanted();
}
