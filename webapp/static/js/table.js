// Hosts by steps: for a few hosts, or the few that a filter leaves.

import { element, setClass, setText } from "./dom.js";
import { attemptClass } from "./marks.js";
import { arranged } from "./ranks.js";
import { HOST_ENDED, isGone, word } from "./states.js";
import { fill, gettext, number, span } from "./words.js";

/** More rows than one reads; the map shows them all. */
const ROWS = 200;
const ITS_UNDO = gettext("its undo: %(outcome)s");

export class HostTable {
  constructor(root, { model, onPick, onLook }) {
    Object.assign(this, { root, model, onPick, onLook });
    this.rows = new Map();
    this.names = [];
    const heads = [gettext("Host"), ...model.steps].map((text) =>
      element("th", { scope: "col" }, text),
    );
    heads.push(element("th", { scope: "col", class: "num" }, gettext("Total")));
    this.body = element("tbody");
    this.more = element("p", { class: "pages", hidden: true });
    root.replaceChildren(
      element(
        "div",
        { class: "scroll" },
        element(
          "table",
          { class: "steps" },
          element("thead", {}, element("tr", {}, ...heads)),
          this.body,
        ),
      ),
      this.more,
    );
    this.body.addEventListener("click", (event) => this.#at(event, onPick));
    this.body.addEventListener("mouseover", (event) => this.#at(event, onLook));
    this.body.addEventListener("mouseleave", () => {
      onLook(null);
      this.list(this.names);
    });
    this.body.addEventListener("focusout", ({ relatedTarget: next }) => {
      if (!this.body.contains(next)) this.list(this.names);
    });
    this.body.addEventListener("focusin", (event) => {
      this.#at(event, onLook);
      this.#at(event, (name) => this.#stopAt(name));
    });
    this.body.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The hosts that show: those that failed first, else in this order. Rows that stay are kept as they
   * are, and where they are while one is at them. */
  list(names) {
    this.names = names;
    const held = this.body.matches(":hover, :focus-within") ? this.order : [];
    const shown = arranged(names, (name) => this.model.hosts.get(name).state, held).slice(0, ROWS);
    const rest = names.length - shown.length;
    this.more.hidden = rest === 0;
    setText(
      this.more,
      fill(gettext("and %(n)s more: filter, or see them as squares"), { n: number(rest) }),
    );
    if (shown.join() === [...this.rows.keys()].join()) return;
    const rows = new Map(shown.map((name) => [name, this.rows.get(name) ?? this.#row(name)]));
    this.rows = rows;
    this.body.replaceChildren(...[...rows.values()].map(({ row }) => row));
    this.#stopAt(this.chosen);
    this.paint(shown);
  }

  paint(names, now = Date.now()) {
    for (const name of names) {
      const entry = this.rows.get(name);
      const host = this.model.hosts.get(name);
      if (!entry || !host) continue;
      this.model.steps.forEach((step, i) =>
        this.#cell(entry.cells[i], step, host, now),
      );
      setText(entry.total, total(host, now));
      setClass(
        entry.row,
        [host.down ? "bad" : "", name === this.chosen ? "sel" : ""].filter(Boolean).join(" "),
      );
    }
  }

  /** Names of hosts as they stand. */
  get order() {
    return [...this.rows.keys()];
  }

  focus(name) {
    this.rows.get(name).open.focus();
  }

  /** Spans that grow, once a second. */
  tick(now) {
    const moving = [...this.rows.keys()].filter((name) =>
      ["running", "slow", "draining"].includes(this.model.hosts.get(name)?.shown),
    );
    this.paint(moving, now);
  }

  mark(chosen) {
    const before = this.chosen;
    this.chosen = chosen;
    // Tab leads out of the table from wherever one is in it.
    if (!this.body.contains(document.activeElement)) this.#stopAt(chosen);
    this.paint([before, chosen].filter(Boolean));
  }

  /** The one row that Tab leads to; from there arrow keys lead on. */
  #stopAt(name) {
    if (this.stop) this.stop.tabIndex = -1;
    this.stop = (this.rows.get(name) ?? this.rows.values().next().value)?.open;
    if (this.stop) this.stop.tabIndex = 0;
  }

  #row(name) {
    const cells = this.model.steps.map(() => {
      const square = element("i");
      const text = element("span", { class: "muted" });
      const undo = element("i", { hidden: true });
      return { cell: element("td", {}, square, text, undo), square, text, undo };
    });
    const sum = element("td", { class: "num nowrap" });
    const open = element("button", { type: "button", tabindex: "-1" }, name);
    const row = element(
      "tr",
      { "data-host": name },
      element("th", { scope: "row" }, open),
      ...cells.map(({ cell }) => cell),
      sum,
    );
    return { row, open, cells, total: sum };
  }

  #cell({ cell, square, text, undo }, name, host, now) {
    const step = this.model.step(host, name);
    const undone = step.kind === "undo" ? null : host.undos.get(name);
    const unheard = step.state === "running" && isGone(host);
    setClass(square, attemptClass(unheard ? host.shown : seen(step)));
    undo.hidden = !undone;
    if (undone) {
      setClass(undo, `${attemptClass(seen(undone))} undo`);
      undo.title = fill(ITS_UNDO, { outcome: outcome(undone) });
    }
    const running = step.state === "running" && step.at && !unheard && !HOST_ENDED.has(host.state);
    setText(text, running ? span((now - Date.parse(step.at)) / 1000) : span(step.seconds));
    const said = [
      unheard ? gettext("running when last heard of") : outcome(step),
      undone ? undo.title : "",
    ]
      .filter(Boolean)
      .join(", ");
    if (cell.getAttribute("aria-label") !== said) cell.setAttribute("aria-label", said);
  }

  #at(event, then) {
    const name = event.target.closest("tr")?.dataset.host;
    if (name) then(name);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = event.target.closest("tr");
    const to = {
      ArrowDown: row?.nextElementSibling,
      ArrowUp: row?.previousElementSibling,
      Home: this.body.firstElementChild,
      End: this.body.lastElementChild,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    to.querySelector("button").focus();
  }
}

/** What was taken back well is no longer done. */
function seen({ kind, state }) {
  return kind === "undo" && state === "succeeded" ? "rolled_back" : state;
}

function outcome(step) {
  const { n, rc } = step;
  return [
    word(seen(step)),
    n > 1 ? fill(gettext("attempt %(n)s"), { n }) : "",
    rc ? fill(gettext("exit status %(rc)s"), { rc }) : "",
  ]
    .filter(Boolean)
    .join(gettext(", "));
}

function total(host, now) {
  if (!host.started_at || isGone(host)) return "";
  const end = host.ended_at ? Date.parse(host.ended_at) : HOST_ENDED.has(host.state) ? NaN : now;
  return Number.isNaN(end) ? "" : span((end - Date.parse(host.started_at)) / 1000);
}
