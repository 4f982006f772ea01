// Hosts that get no further: in which step, and what one of them printed last. They stand where
// failures stand, for nothing else will end them.

import { spelledOut } from "./ansi.js";
import { element, setText } from "./dom.js";
import { named } from "./names.js";
import { isHeld } from "./still.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Hosts that are named. */
const NAMED = 3;

export class Hanging {
  #root;
  #on;
  #rows = new Map(); // what a row says -> {node, line}

  /** @param root the section, with a list in it @param on `onShow()`: show only those that are slow;
   * `onPick` is given one name */
  constructor(root, on) {
    this.#root = root;
    this.#on = on;
    this.list = [];
  }

  /** As GET /jobs/{id}/pace tells them. */
  load({ hanging }) {
    this.list = hanging;
  }

  /** @param model of the job: who moves on hangs no more */
  paint(model) {
    const still = (name) => model.hosts.get(name)?.shown === "slow";
    const found = this.list
      .map((one) => ({ ...one, hosts: one.hosts.filter(still) }))
      .filter(({ hosts }) => hosts.length);
    if (found.length > this.#rows.size && isHeld()) return;
    const rows = new Map(found.map((one) => this.#row(one)));
    const list = this.#root.querySelector("ul");
    const nodes = [...rows.values()];
    if (nodes.length !== list.children.length || nodes.some((node, i) => node !== list.children[i]))
      list.replaceChildren(...nodes);
    this.#rows = rows;
    this.#root.hidden = rows.size === 0;
  }

  /** The same row for as long as it says the same; its line may be another. */
  #row({ step, times, hosts, line }) {
    const said = fill(
      ngettext("takes over %(times)s times as long as usual", "take over %(times)s times as long as usual", hosts.length),
      { times: number(roughly(times)) },
    );
    const text = [step, said, ...hosts].join("\n");
    const node = this.#rows.get(text) ?? this.#made({ step, said, hosts });
    setText(node.querySelector("code"), spelledOut(line));
    return [text, node];
  }

  #made({ step, said, hosts }) {
    const show = element("button", { type: "button", class: "btn s", "data-does": "show" }, gettext("Show"));
    show.addEventListener("click", () => this.#on.onShow());
    const inStep = ` ${fill(gettext("in “%(step)s”"), { step })}`;
    return element(
      "li",
      {},
      element("span", { class: "much ink-running" }, number(hosts.length)),
      element("div", {}, element("p", { class: "what" }, element("b", {}, said), inStep), element("code")),
      element(
        "div",
        { class: "do" },
        element("p", { class: "who" }, named(hosts, { most: NAMED, onPick: this.#on.onPick })),
        show,
      ),
    );
  }
}

/** 2745 times is no more exactly known than 2000. */
export function roughly(times) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, times)));
  return Math.floor(Math.max(1, times) / unit) * unit;
}
