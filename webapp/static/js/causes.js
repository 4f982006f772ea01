// Why hosts failed: those with the same trouble in the same step, together, and what to do about
// them. Which lines tell the same is the server's to say; see webapp/failures.py. Beside them, who
// waits for an answer and who is out of reach: not failed, but not updated either.

import { inDoubt, outOfReach, whyOf } from "./away.js";
import { doubt, failure, key, openKey, reach } from "./causerows.js";
import { Copy } from "./copy.js";
import { setText } from "./dom.js";
import { report } from "./report.js";
import { isHeld } from "./still.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Causes that stand above the log before one asks for all: fewer while there is more to see. */
const CAUSES = { running: 3, ended: 6 };

export class Causes {
  #root;
  #parts;
  #on;
  #told = "";
  #copy;
  #shown = { causes: [], doubts: [], away: [] };
  #rows = new Map();
  #texts = [];
  #all = false;

  /**
   * @param root the section, its parts marked data-causes @param on `onShow(cause)`: show only the
   * hosts of a cause; `onRetry` is given an order's body and the button,
   * `onExclude` names and the button, `onAnswer` `{step, hosts}` and the button; `onPick` one name,
   * `onTell` that of one that failed, `onLine` a place in a log; `onMore`: more or fewer are to show; `about()` gives `said` and `url` of the job
   */
  constructor(root, on) {
    this.#root = root;
    this.#parts = Object.fromEntries(
      [...root.querySelectorAll("[data-causes]")].map((part) => [part.dataset.causes, part]),
    );
    this.#on = on;
    this.list = [];
    this.#copy = new Copy(this.#parts.copy, () => ({
      text: report({ ...on.about(), ...this.#shown }),
      said: gettext("Copied"),
    }));
    this.#parts.more.addEventListener("click", () => {
      this.#all = !this.#all;
      on.onMore();
    });
  }

  /** As GET /jobs/{id}/failures tells them. */
  load({ causes }) {
    this.list = causes;
    this.#texts = causes.map((cause) => JSON.stringify(cause));
    this.byHost = new Map(
      causes.flatMap((cause) => cause.hosts.map((host) => [host.name, { cause, ...host }])),
    );
  }

  /** Names of the hosts of a cause; null where it is not known. */
  hosts(wanted) {
    const { doubts, away } = this.#shown;
    const found =
      this.list.find((cause) => key(cause) === wanted) ??
      [...doubts, ...away].find((group) => openKey(group) === wanted);
    return found ? new Set(found.hosts.map(({ name }) => name)) : null;
  }

  /** The line that tells why a host failed. */
  lineOf(name) {
    return this.byHost?.get(name)?.line ?? "";
  }

  /** All that failed, as the server tells them. */
  get failed() {
    return [...(this.byHost?.values() ?? [])];
  }

  /** These hosts as the server tells them; null before it has told all of them. */
  told(names) {
    const found = names.map((name) => this.byHost?.get(name));
    return found.every(Boolean) ? found : null;
  }

  /** @param shown the cause that is shown alone, if any @param hosts all of the job @param can what
   * may be ordered now @param ended whether the job is */
  paint({ hosts, shown, can, ended }) {
    const all = [...hosts];
    const [unknown, away] = [inDoubt(all), outOfReach(all)];
    const may = Object.fromEntries(["retry", "exclude", "answer"].map((one) => [one, can.includes(one)]));
    const few = this.#few(ended, shown);
    const rows = [
      ...this.list.slice(0, few).map((cause, i) => {
        const alone = key(cause) === shown;
        const text = [this.#texts[i], alone, may.retry, may.exclude].join();
        return { name: key(cause), told: [cause, alone, may], draw: failure, text };
      }),
      ...[...unknown.map((group) => [group, doubt]), ...away.map((group) => [group, reach])].map(
        ([group, draw]) => {
          const name = openKey(group);
          const told = [{ ...group, hosts: group.hosts.map(brief), key: name }, name === shown, may];
          return { name: (draw === reach ? "/" : "") + name, told, draw, text: JSON.stringify(told) };
        },
      ),
    ];
    this.#shown = { causes: this.list, doubts: unknown, away };
    this.#copy.paint(rows.length > 0, gettext("Copy"));
    const told = [few, ...this.#texts, ...rows.map(({ text }) => text)].join("\n");
    if (told === this.#told || this.#pushes(rows)) return;
    this.#told = told;
    this.#root.hidden = rows.length === 0;
    setText(this.#parts.title, this.#title(unknown));
    setText(this.#parts.n, this.#summary(unknown, away));
    this.#paintMore(few, ended);
    this.#arrange(rows);
  }

  /** Whether one more would push away what stands below while the mouse is there: it can wait. */
  #pushes(rows) {
    return rows.some(({ name }) => !this.#rows.has(name)) && isHeld();
  }

  /** How many causes show: that which is shown alone is among them, and no button hides one row. */
  #few(ended, shown) {
    const few = ended ? CAUSES.ended : CAUSES.running;
    const alone = this.list.findIndex((cause) => key(cause) === shown);
    return this.#all || alone >= few || this.list.length <= few + 1 ? this.list.length : few;
  }

  #paintMore(few, ended) {
    const { more } = this.#parts;
    more.hidden = !this.#all && few === this.list.length;
    more.setAttribute("aria-expanded", String(this.#all));
    const all = fill(gettext("Show all %(n)s"), { n: number(this.list.length) });
    setText(more, this.#all ? gettext("Show fewer") : all);
  }

  #title(unknown) {
    if (this.list.length) return gettext("Why hosts failed");
    return unknown.length ? gettext("Hosts that wait for an answer") : gettext("Hosts out of reach");
  }

  /** Of whom the title tells: how many. */
  #summary(unknown, away) {
    const failed = this.list.reduce((sum, cause) => sum + cause.hosts.length, 0);
    const [waiting, gone] = [unknown, away].map((groups) => groups.reduce((sum, { hosts }) => sum + hosts.length, 0));
    if (!failed) return number(waiting || gone);
    const told = [
      [failed, ngettext("%(n)s host", "%(n)s hosts", failed)],
      [this.list.length, ngettext("%(n)s cause", "%(n)s causes", this.list.length)],
      [waiting, ngettext("%(n)s waits for an answer", "%(n)s wait for an answer", waiting)],
    ];
    const said = told.filter(([n]) => n).map(([n, text]) => fill(text, { n: number(n) }));
    return said.join(gettext(", "));
  }

  /** A row that says the same stays the very same: who is about to press it does press it. And
   * while one is there, none comes before another that was there already. */
  #arrange(rows) {
    const before = this.#rows;
    this.#rows = new Map(
      rows.map((row) => {
        const was = before.get(row.name);
        const node = was?.text === row.text ? was.node : row.draw(...row.told, this.#on);
        return [row.name, { text: row.text, node }];
      }),
    );
    let names = rows.map(({ name }) => name);
    if (this.#root.matches(":hover, :focus-within"))
      names = [...[...before.keys()].filter((name) => this.#rows.has(name)), ...names];
    this.#rows = new Map([...new Set(names)].map((name) => [name, this.#rows.get(name)]));
    const focused = document.activeElement;
    const held = [...before].find(([, { node }]) => node.contains(focused))?.[0];
    this.#place([...this.#rows.values()].map(({ node }) => node));
    if (held === undefined || focused.isConnected) return;
    // The same button of the same row, or none at all: Enter pressed twice orders nothing else.
    const now = this.#rows.get(held)?.node;
    const same = now?.querySelector(`[data-does="${CSS.escape(focused.dataset.does)}"]`);
    (same ?? this.#parts.title).focus();
  }

  #place(nodes) {
    const list = this.#parts.rows;
    for (const node of [...list.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, i) => {
      if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
    });
  }
}

function brief(host) {
  return { name: host.name, why: whyOf(host) };
}
