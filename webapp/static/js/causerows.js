// What broke, as rows of a list: those that failed of the same, those of whom nobody knows how they
// stand, and those out of reach; each with its hosts, and what to do about them.

import { spelledOut } from "./ansi.js";
import { element } from "./dom.js";
import { named } from "./names.js";
import { down, failed, goesOn, inDoubtOf, left, lines, notUndone, stoppedAt, then, toldIn, unlike } from "./report.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Hosts that are named beside their cause. */
const NAMED = 2;

/** How a cause is called in the address of the page. */
export function key({ step, cause, found_in: found, sign }) {
  return `${step ?? ""}${sign ? `<${found}` : ""}:${cause}`;
}

/** The same of those of whom nobody knows how they stand. */
export function openKey({ step, why }) {
  return `?${step}:${why}`;
}

export function failure(told, alone, may, on) {
  const { hosts } = told;
  const goBack = hosts.some((host) => host.back_to);
  const what = failed(told);
  const downs = hosts.filter((host) => host.down).length;
  const names = hosts.map(({ name }) => name);
  const counting = hosts.filter(({ excluded }) => !excluded).map(({ name }) => name);
  const aside = hosts.length - counting.length;
  const those = element("p", { class: "who" });
  if (downs) those.append(element("span", { class: "ink-failed" }, down(downs)));
  const more = [
    left(hosts),
    aside ? fill(ngettext("%(n)s excluded", "%(n)s excluded", aside), { n: number(aside) }) : "",
  ].filter(Boolean);
  those.append(
    element("span", { class: "names" }, downs ? gettext(", ") : "", named(names, { most: NAMED, onPick: on.onTell })),
    element("span", { class: "stand" }, more.map((said) => gettext(", ") + said).join("")),
  );
  return row(
    { n: names.length, kind: counting.length ? "ink-failed" : "muted", alone },
    element("p", { class: "what" }, element("b", {}, what), toldIn(told)),
    [
      ...lines(told).map((line) => element("code", {}, line)),
      ...[then(told), ...notUndone(hosts)].filter(Boolean).map((said) => element("small", { class: "then" }, said)),
    ],
    those,
    [
      showing(key(told), alone, on),
      may.retry ? button("retry", again(hosts), (press) => on.onRetry({ hosts: names, back: true }, press)) : null,
      may.retry && goBack ? button("retry-only", only(hosts), (press) => on.onRetry({ hosts: names }, press)) : null,
      excluding(counting, may, on),
    ],
    unlike(told).map((one) => apart(one, on)),
  );
}

/** What no line calls a cause, and is the best clue there is. */
function apart({ said, at }, on) {
  if (!at) return element("p", { class: "unlike" }, element("span", {}, said));
  const shows = element("button", { type: "button", class: "linkish", "data-does": "line" }, gettext("Show it"));
  shows.addEventListener("click", () => on.onLine(at));
  return element("p", { class: "unlike" }, element("span", {}, said), " ", shows);
}

/** Nobody knows whether the step ran. What broke says why nobody knows, and only that. */
export function doubt({ step, hosts, key }, alone, may, on) {
  const names = hosts.map(({ name }) => name);
  return row(
    { n: names.length, kind: "ink-unknown", alone },
    element("p", { class: "what" }, element("b", {}, inDoubtOf(step)), gettext(", not counted as failed"), brieflyWhy(hosts)),
    because(hosts, gettext("It is not run again by guess: a person says what became of it.")),
    element("p", { class: "who" }, named(names, { most: NAMED, onPick: on.onPick })),
    [
      showing(key, alone, on),
      may.answer
        ? button("answer", gettext("Answer…"), (press) => on.onAnswer({ step, hosts }, press))
        : null,
      excluding(names, may, on),
    ],
  );
}

/** Trouble on the way to a host is no failure of it. */
export function reach({ hosts, key }, alone, may, on) {
  const names = hosts.map(({ name }) => name);
  return row(
    { n: names.length, kind: "ink-unreachable", alone },
    element("p", { class: "what" }, element("b", {}, gettext("Out of reach")), gettext(", not counted as failed"), brieflyWhy(hosts)),
    because(hosts, gettext("It is tried again by itself.")),
    element("p", { class: "who" }, named(names, { most: NAMED, onPick: on.onPick })),
    [
      showing(key, alone, on),
      excluding(names, may, on),
    ],
  );
}

/** Where rows are short, which have no other place for it. */
function brieflyWhy([{ why }]) {
  return why ? element("span", { class: "brief" }, gettext(": ") + spelledOut(why)) : null;
}

function because(hosts, otherwise) {
  const [{ why }] = hosts;
  return why
    ? element("code", {}, spelledOut(why))
    : element("small", { class: "muted" }, otherwise);
}

/** @param what failed @param more that says more of it @param who, and what to do @param clues to
 * what nothing else tells */
function row({ n, kind, alone }, what, more, who, does, clues = []) {
  return element(
    "li",
    { class: alone ? "alone" : null },
    element("span", { class: `much ${kind}` }, number(n)),
    element("div", {}, what, ...[more].flat()),
    ...clues,
    element("div", { class: "do" }, who, ...does),
  );
}

function showing(key, alone, on) {
  return button("show", alone ? gettext("Show all") : gettext("Show"), () => on.onShow(alone ? "" : key));
}

/** The job goes on without them. */
function excluding(names, may, on) {
  if (!may.exclude || !names.length) return null;
  return button("exclude", gettext("Exclude…"), (press) => on.onExclude(names, press));
}

/** From where the hosts stopped: where the cause stands before that, it is still there. */
function only(hosts) {
  return element("span", { class: "from" }, fill(gettext("Only %(from)s"), { from: stoppedAt(hosts) }));
}

/** Where rows are short the step stands beside what failed in it. */
function again(hosts) {
  const n = hosts.length;
  const text = n === 1 ? gettext("Retry") : fill(gettext("Retry %(n)s"), { n: number(n) });
  const alike = new Set(hosts.map(({ again: step, back_to: back }) => back ?? step)).size === 1;
  return element("span", {}, text, element("span", { class: "from" }, (alike ? " " : gettext(": ")) + goesOn(hosts)));
}

function button(does, text, act) {
  const made = element("button", { type: "button", class: "btn s", "data-does": does }, text);
  made.addEventListener("click", () => act(made));
  return made;
}
