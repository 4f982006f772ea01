// What broke, in words: of a row on the page, and of all of them as text that can be pasted where
// others are told of it. Pure.

import { spelledOut } from "./ansi.js";
import { retold } from "./retelling.js";
import { fill, gettext, ngettext, number } from "./words.js";

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

/** @param said the verdict @param url of the job @param causes as the server tells them @param doubts
 * `[{step, hosts}]` @param away hosts out of reach */
export function report({ said, url, causes, doubts, away }) {
  const uncounted = gettext(", not counted as failed");
  const lines = causes.flatMap((cause) => {
    const what = failed(cause);
    const downs = cause.hosts.filter((host) => host.down).length;
    const also = downs ? gettext(", ") + down(downs) : "";
    const sample = spelledOut(cause.sample);
    return [entry(what + inStep(cause.step) + also, cause.hosts), ...(sample === what ? [] : [`  ${sample}`])];
  });
  for (const { step, hosts } of doubts) lines.push(entry(inDoubtOf(step) + uncounted, hosts));
  if (away.length) lines.push(entry(gettext("Out of reach") + uncounted, away));
  return [said, url, "", ...lines].join("\n");
}

function entry(what, hosts) {
  return `${number(hosts.length)} × ${what}: ${hosts.map(({ name }) => name).join(", ")}`;
}
