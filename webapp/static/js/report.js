// What broke, in words: of a row on the page, and of all of them as text that can be pasted where
// others are told of it. Pure.

import { spelledOut } from "./ansi.js";
import { retold } from "./retelling.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Kinds of hosts that are told apart in a sentence. */
const KINDS = 2;

/** What failed. What differs from host to host is worth its place where there is but one. */
export function failed({ cause, sample, hosts }) {
  const words = retold(cause);
  return spelledOut(hosts.length === 1 && words.includes("…") ? sample : words);
}

export function inStep(step) {
  return step ? ` ${fill(gettext("in “%(step)s”"), { step })}` : "";
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

/** From where hosts go on that are tried again: what holds for all, or how many from where. */
export function goesOn(hosts) {
  const steps = counted(hosts.map(({ again }) => again));
  if (steps.length === 1) return from(steps[0][0]);
  return shortened(steps.map(([step, n]) => [`${number(n)} ${from(step)}`, n]));
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
 * `[{step, hosts}]` @param away hosts out of reach */
export function report({ said, url, causes, doubts, away }) {
  const uncounted = gettext(", not counted as failed");
  const lines = causes.flatMap((cause) => {
    const what = failed(cause);
    const downs = cause.hosts.filter((host) => host.down).length;
    const stand = [downs ? down(downs) : "", left(cause.hosts)].filter(Boolean);
    const sample = spelledOut(cause.sample);
    return [entry([what + inStep(cause.step), ...stand].join(gettext(", ")), cause.hosts), ...(sample === what ? [] : [`  ${sample}`])];
  });
  for (const { step, hosts } of doubts) lines.push(entry(inDoubtOf(step) + uncounted, hosts));
  if (away.length) lines.push(entry(gettext("Out of reach") + uncounted, away));
  return [said, url, "", ...lines].join("\n");
}

function entry(what, hosts) {
  return `${number(hosts.length)} × ${what}: ${hosts.map(({ name }) => name).join(", ")}`;
}
