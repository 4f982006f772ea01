// What the reason of a job tells beyond its verdict, by the limits as they are now: the reason is
// from when it halted. Pure.

import { fill, gettext, ngettext, number } from "./words.js";

/** @param failing how many hosts count as failed @param gates of batches @param budgets by batch:
 * `{job, batch}`, how many may fail */
export function beyond({ reason, limit }, { failing, gates, budgets }) {
  const ofJob = read(reason, spent);
  if (ofJob && limit !== null && failing > limit && ofJob.failed <= failing) {
    const more = failing - ofJob.failed;
    return more ? since(ofJob.failed, more) + ofJob.rest : withoutJoint(ofJob.rest);
  }
  const ofBatch = read(reason, spentInBatch);
  if (ofBatch) {
    const budget = budgets.get(ofBatch.n)?.batch ?? ofBatch.budget;
    return fill(spentInBatch(ofBatch.failed), { ...ofBatch, budget }) + ofBatch.rest;
  }
  const said = [
    ...[...gates.keys()].map((n) => fill(gettext("batch %(n)s is done; the next one waits to be promoted"), { n })),
    gettext("staged; the switch has not begun"),
  ].find((sentence) => reason.startsWith(sentence));
  return said ? withoutJoint(reason.slice(said.length)) : reason;
}

function spent(failed) {
  return ngettext(
    "%(failed)s host failed, at most %(budget)s may",
    "%(failed)s hosts failed, at most %(budget)s may",
    failed,
  );
}

function spentInBatch(failed) {
  return ngettext(
    "%(failed)s host of batch %(n)s failed, at most %(budget)s may",
    "%(failed)s hosts of batch %(n)s failed, at most %(budget)s may",
    failed,
  );
}

/** The numbers of a sentence with which the reason begins, and the `rest` of it; null for another. */
function read(reason, sentence) {
  for (const some of [1, 2]) {
    const text = sentence(some).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const found = new RegExp(`^${text.replace(/%\\\((\w+)\\\)s/g, "(?<$1>\\d+)")}`).exec(reason);
    if (!found) continue;
    const numbers = Object.entries(found.groups).map(([name, digits]) => [name, Number(digits)]);
    return { ...Object.fromEntries(numbers), rest: reason.slice(found[0].length) };
  }
  return null;
}

function withoutJoint(rest) {
  return rest.replace(/^[;；]\s*/, "");
}

/** Why more have failed than when it halted. */
function since(then, more) {
  const text = ngettext(
    "%(then)s had failed when it halted; %(more)s that was under way has failed since",
    "%(then)s had failed when it halted; %(more)s that were under way have failed since",
    more,
  );
  return fill(text, { then: number(then), more: number(more) });
}
