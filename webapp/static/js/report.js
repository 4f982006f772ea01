// What broke, in words: of a row on the page, and of all of them as text that can be pasted where
// others are told of it. Pure.

import { spelledOut } from "./ansi.js";
import { whyOf } from "./away.js";
import { retold } from "./retelling.js";
import { fill, gettext, ngettext, number, span } from "./words.js";

/** Kinds of hosts that are told apart in a sentence. */
const KINDS = 2;

/** What failed. What differs from host to host is worth its place where there is but one. */
export function failed({ cause, told = cause, sample, hosts }) {
  const words = retold(told);
  return spelledOut(hosts.length === 1 && words.includes("…") ? sample : words);
}

export function inStep(step) {
  return step ? ` ${fill(gettext("in “%(step)s”"), { step })}` : "";
}

/** What the first of the hosts printed of it, or what is said of that one, where that says more. */
export function lines(failure) {
  const { cause, told = cause, sample, above } = failure;
  const said = [above, told === cause ? sample : ""].filter(Boolean);
  const what = failed(failure);
  return said.map((line) => spelledOut(retold(line))).filter((line) => line !== what);
}

/** The step whose output tells why. */
export function toldIn({ step, found_in: found }) {
  return inStep(found ?? step);
}

/** Where it failed of it, if that is not where it is told; "" else. */
export function then({ step, found_in: found, sign }) {
  if (!sign) return "";
  const values = { found, step, sign: spelledOut(retold(sign)) };
  return step
    ? fill(gettext("“%(found)s” ended well; then “%(step)s”: %(sign)s"), values)
    : fill(gettext("“%(found)s” ended well; then: %(sign)s"), values);
}

/** How they are unlike hosts that are well: what is `said` of all of them; then, where no line tells of
 * a cause, by step, with the place in a log where it shows, see place.js. */
export function unlike({ hosts, differs = [], shared = [] }) {
  const told = fill(gettext("All %(n)s, and no host that is well: %(facts)s"), {
    n: number(hosts.length),
    facts: shared.map(inWords).join(gettext(", ")),
  });
  return [...(shared.length ? [{ said: told, at: null }] : []), ...byStep(differs)];
}

function inWords({ fact, name, value }) {
  const values = { name, value: spelledOut(value) };
  if (fact === "machine") return fill(gettext("on machine %(value)s"), values);
  if (fact === "previous") return fill(gettext("at %(value)s before"), values);
  if (fact === "label") return fill(gettext("label %(name)s=%(value)s"), values);
  return fill(gettext("variable %(name)s=%(value)s"), values);
}

function byStep(differs) {
  return differs.map((one) => {
    const { step, host, n, line, hosts, of } = one;
    const some = gettext("%(n)s of %(of)s compared are unlike hosts that are well: %(what)s");
    const all = gettext("Unlike hosts that are well: %(what)s");
    const what = didOtherwise(one).join(gettext("; "));
    const said = fill(hosts < of ? some : all, { n: number(hosts), of: number(of), what });
    return { said, at: { host, step, n, kind: "do", line } };
  });
}

function didOtherwise({ step, printed, lacks, skipped, seconds, usual }) {
  const [line, missing] = [printed, lacks].map(([first]) => first && spelledOut(first));
  const both = gettext("in “%(step)s” it printed “%(line)s”, not “%(missing)s”");
  const only = line
    ? gettext("in “%(step)s” it printed “%(line)s”")
    : gettext("in “%(step)s” it did not print “%(missing)s”");
  return [
    line || missing ? fill(line && missing ? both : only, { step, line, missing }) : "",
    skipped ? fill(gettext("“%(step)s” was done already, and did not run"), { step }) : "",
    usual === null ? "" : fill(gettext("“%(step)s” took %(took)s, there %(usual)s"), { step, took: span(seconds), usual: span(usual) }),
  ].filter(Boolean);
}

/** What was to be taken back after the failure, and was not: a sentence for each way. */
export function notUndone(hosts) {
  const ways = new Map();
  for (const { undo } of hosts) {
    if (!undo) continue;
    const way = JSON.stringify([undo.step, undo.by_hand]);
    ways.set(way, { ...undo, n: (ways.get(way)?.n ?? 0) + 1 });
  }
  return [...ways.values()].map(({ n, step, line, by_hand: left }) => {
    const failed = ngettext("then the undo of “%(step)s” failed on %(n)s host", "then the undo of “%(step)s” failed on %(n)s hosts", n);
    const said = fill(n === hosts.length ? gettext("then the undo of “%(step)s” failed") : failed, { step, n: number(n) });
    const why = line ? gettext(": ") + spelledOut(line) : "";
    const byHand = fill(gettext("left to undo by hand: %(steps)s"), { steps: left.join(gettext(", ")) });
    return said + why + (left.length ? gettext("; ") + byHand : "");
  });
}

/** Nobody knows whether the step ran. */
export function inDoubtOf(step) {
  return step
    ? fill(gettext("Nobody knows how “%(step)s” ended"), { step })
    : gettext("Nobody knows how it stands");
}

export function down(n) {
  return fill(ngettext("%(n)s is down", "%(n)s are down", n), { n: number(n) });
}

/** At which version hosts that failed were left for their players; "" where of none one knows. */
export function left(hosts) {
  const known = hosts.map(({ left_at: version }) => version).filter(Boolean);
  return shortened(
    counted(known).map(([version, n]) => [
      fill(ngettext("%(n)s left at %(version)s", "%(n)s left at %(version)s", n), { n: number(n), version }),
      n,
    ]),
  );
}

/** From where hosts go on that are tried again, those whose cause stands in an earlier step from
 * there: what holds for all, or how many from where. */
export function goesOn(hosts) {
  return fromWhere(hosts.map(({ again, back_to: back }) => back ?? again));
}

/** The same of a retry that goes back for no cause. */
export function stoppedAt(hosts) {
  return fromWhere(hosts.map(({ again }) => again));
}

function fromWhere(names) {
  const steps = counted(names);
  if (steps.length === 1) return from(steps[0][0]);
  return shortened(
    steps.map(([step, n]) => [fill(gettext("%(n)s %(from)s"), { n: number(n), from: from(step) }), n]),
  );
}

function from(step) {
  return step ? fill(gettext("from “%(step)s”"), { step }) : gettext("from the check of the version at the end");
}

/** How often each is there, most first: `[[value, n]]`. */
function counted(values) {
  const found = new Map();
  for (const value of values) found.set(value, (found.get(value) ?? 0) + 1);
  return [...found].sort(([, a], [, b]) => b - a);
}

/** @param told `[text, n]`, of n hosts each */
function shortened(told) {
  const rest = told.slice(KINDS).reduce((sum, [, n]) => sum + n, 0);
  const said = told.slice(0, KINDS).map(([text]) => text).join(gettext(", "));
  return rest ? `${said} ${fill(gettext("and %(n)s more"), { n: number(rest) })}` : said;
}

/** @param said the verdict @param url of the job @param causes as the server tells them @param doubts
 * and @param away as away.js tells them */
export function report({ said, url, causes, doubts, away }) {
  const uncounted = gettext(", not counted as failed");
  const told = causes.flatMap((cause) => {
    const what = failed(cause);
    const downs = cause.hosts.filter((host) => host.down).length;
    const stand = [downs ? down(downs) : "", left(cause.hosts)].filter(Boolean);
    const also = lines(cause);
    const apart = unlike(cause).map(({ said }) => said);
    const more = [...also, ...apart, then(cause), ...notUndone(cause.hosts)].filter(Boolean);
    return [entry([what + toldIn(cause), ...stand].join(gettext(", ")), cause.hosts), ...more.map((said) => `  ${said}`)];
  });
  const open = (what, { hosts }) => {
    const why = whyOf(hosts[0]);
    told.push(entry(what + uncounted, hosts), ...(why ? [`  ${spelledOut(why)}`] : []));
  };
  for (const group of doubts) open(inDoubtOf(group.step), group);
  for (const group of away) open(gettext("Out of reach"), group);
  return [said, url, "", ...told].join("\n");
}

function entry(what, hosts) {
  return `${number(hosts.length)} × ${what}: ${hosts.map(({ name }) => name).join(", ")}`;
}
