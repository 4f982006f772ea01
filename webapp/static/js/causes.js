// Why hosts failed: those with the same trouble in the same step, together, and what to do about
// them. Which lines tell the same is the server's to say; see webapp/failures.py.

import { spelledOut } from "./ansi.js";
import { element, setText } from "./dom.js";
import { retold } from "./retelling.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Hosts that are named beside their cause. */
const NAMED = 3;

/** How a cause is called in the address of the page. */
export function key({ step, cause }) {
  return `${step ?? ""}:${cause}`;
}

export class Causes {
  #root;
  #parts;
  #on;
  #told = "";

  /**
   * @param root the section, its parts marked data-causes @param onShow show only the hosts of a
   * cause @param onShowStates show only hosts in these states @param onRetry retry these hosts
   * @param onExclude set these hosts aside
   */
  constructor(root, { onShow, onShowStates, onRetry, onExclude, onPick }) {
    this.#root = root;
    this.#parts = Object.fromEntries(
      [...root.querySelectorAll("[data-causes]")].map((part) => [part.dataset.causes, part]),
    );
    this.#on = { onShow, onShowStates, onRetry, onExclude, onPick };
    this.list = [];
  }

  /** As GET /jobs/{id}/failures tells them. */
  load({ causes }) {
    this.list = causes;
    this.byHost = new Map(
      causes.flatMap((cause) => cause.hosts.map((host) => [host.name, { cause, ...host }])),
    );
  }

  /** Names of the hosts of a cause; null where it is not known. */
  hosts(wanted) {
    const found = this.list.find((cause) => key(cause) === wanted);
    return found ? new Set(found.hosts.map(({ name }) => name)) : null;
  }

  /** The line that tells why a host failed. */
  lineOf(name) {
    return this.byHost?.get(name)?.line ?? "";
  }

  /** @param shown the cause that is shown alone, if any @param counts hosts by shown state @param can
   * what may be ordered now */
  paint({ counts, shown, can }) {
    const [retryable, excludable] = ["retry", "exclude"].map((order) => can.includes(order));
    const away = { unknown: counts.unknown ?? 0, unreachable: counts.unreachable ?? 0 };
    const told = JSON.stringify([this.list, away, shown, retryable, excludable]);
    if (told === this.#told) return;
    this.#told = told;
    const rows = this.list.map((cause) => this.#row(cause, { shown, retryable, excludable }));
    if (away.unknown + away.unreachable) rows.push(this.#away(away));
    this.#root.hidden = rows.length === 0;
    setText(this.#parts.n, this.#summary());
    this.#parts.rows.replaceChildren(...rows);
  }

  #summary() {
    if (!this.list.length) return gettext("none failed");
    const hosts = this.list.reduce((sum, cause) => sum + cause.hosts.length, 0);
    return [
      fill(ngettext("%(n)s host", "%(n)s hosts", hosts), { n: number(hosts) }),
      fill(ngettext("%(n)s cause", "%(n)s causes", this.list.length), {
        n: number(this.list.length),
      }),
    ].join(gettext(", "));
  }

  #row(cause, { shown, retryable, excludable }) {
    const { step, sample, hosts } = cause;
    const down = hosts.filter((host) => host.down).length;
    const words = retold(cause.cause);
    const told = element("p", {}, element("b", {}, spelledOut(words)));
    if (step) told.append(" ", fill(gettext("in %(step)s"), { step }));
    if (down)
      told.append(
        gettext(", "),
        element(
          "span",
          { class: "ink-failed" },
          fill(ngettext("%(n)s is down", "%(n)s are down", down), { n: number(down) }),
        ),
      );
    told.append(" ", this.#names(hosts));
    const alone = key(cause) === shown;
    const counting = hosts.filter(({ excluded }) => !excluded).map(({ name }) => name);
    const aside = hosts.length - counting.length;
    if (aside)
      told.append(
        gettext(", "),
        fill(ngettext("%(n)s excluded", "%(n)s excluded", aside), { n: number(aside) }),
      );
    return element(
      "li",
      {},
      element("span", { class: counting.length ? "much ink-failed" : "much muted" }, number(hosts.length)),
      element(
        "div",
        {},
        told,
        retold(sample) === words ? null : element("code", {}, spelledOut(sample)),
      ),
      element(
        "span",
        { class: "do" },
        button(alone ? gettext("Show all") : gettext("Show"), () =>
          this.#on.onShow(alone ? "" : key(cause)),
        ),
        retryable
          ? button(
              hosts.length === 1
                ? gettext("Retry")
                : fill(gettext("Retry these %(n)s"), { n: number(hosts.length) }),
              (event) => this.#on.onRetry(hosts.map(({ name }) => name), event.target),
            )
          : null,
        excludable && counting.length
          ? button(gettext("Exclude…"), (event) => this.#on.onExclude(counting, event.target))
          : null,
      ),
    );
  }

  #names(hosts) {
    const names = element("span", { class: "muted" });
    hosts.slice(0, NAMED).forEach(({ name }, i) => {
      const open = element("button", { type: "button", class: "linkish" }, name);
      open.addEventListener("click", () => this.#on.onPick(name));
      names.append(i ? gettext(", ") : "", open);
    });
    const more = hosts.length - NAMED;
    if (more > 0) names.append(" ", fill(gettext("and %(n)s more"), { n: number(more) }));
    return names;
  }

  /** Trouble on the way to a host is no failure of it; it stands apart. */
  #away({ unknown, unreachable }) {
    const parts = [
      [unreachable, gettext("%(n)s unreachable"), gettext("Out of reach is tried again by itself.")],
      [unknown, gettext("%(n)s unknown"), gettext("What is unknown is not run again by guess: open the host and say what became of it.")],
    ].filter(([n]) => n);
    return element(
      "li",
      {},
      element("span", { class: "much" }, number(unknown + unreachable)),
      element(
        "div",
        {},
        element(
          "p",
          {},
          element("b", {}, gettext("no answer")),
          gettext(", not counted as failed "),
          element(
            "span",
            { class: "muted" },
            parts.map(([n, text]) => fill(text, { n: number(n) })).join(gettext(", ")),
          ),
        ),
        element("small", { class: "muted" }, parts.map(([, , why]) => why).join(" ")),
      ),
      element(
        "span",
        { class: "do" },
        button(gettext("Show"), () => this.#on.onShowStates(["unknown", "unreachable"])),
      ),
    );
  }
}

function button(text, act) {
  const made = element("button", { type: "button", class: "btn s" }, text);
  made.addEventListener("click", act);
  return made;
}
