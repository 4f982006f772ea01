// What each answer about a step of unknown outcome leads to, in words. Pure.

import { fill, gettext, ngettext, number } from "./words.js";

/**
 * `{said: {it_ran, it_did_not_run, give_up}, offered, refused}`: what is said of each answer, which
 * there are, and why one is not.
 *
 * @param step its name; "" where it is not known @param repeat as its recipe says @param next the
 * step that comes then, where that is sure
 */
export function leadsTo({ step, repeat, next }, n) {
  const say = (text) => fill(text, { step, next, n: number(n) });
  const goes = next
    ? ngettext("%(n)s host goes on with “%(next)s”.", "%(n)s hosts go on with “%(next)s”.", n)
    : ngettext("%(n)s host goes on from there.", "%(n)s hosts go on from there.", n);
  const again = ngettext("It runs again on %(n)s host, from its beginning.", "It runs again on %(n)s hosts, from its beginning.", n);
  const twice = repeat === "safe" ? "" : gettext("What it has done already, it may do twice.");
  const never = repeat === "never";
  return {
    said: {
      it_ran: sentences(say(goes), gettext("What it left undone stays undone, unless you do it by hand first.")),
      it_did_not_run: never ? "" : sentences(say(again), twice),
      give_up: say(ngettext("%(n)s host counts as failed, and is free for other jobs", "%(n)s hosts count as failed, and are free for other jobs", n)),
    },
    offered: n === 0 ? [] : ["it_ran", ...(never ? [] : ["it_did_not_run"]), "give_up"],
    refused: never ? fill(NEVER, { step }) : "",
  };
}

const NEVER = gettext("“%(step)s” must never be repeated: “it did not run” is no answer. Do by hand what it left undone and say that it ran, or give up.");

/** The step behind one, where it is sure that hosts go there: not what is taken back or cancelled,
 * nor what is done at every end; and of what is not lost the host is asked first. */
export function nextOf(step, { steps, rules, job, attempt }) {
  const onward = attempt?.kind === "do" && attempt.state === "lost" && !rules[step]?.always;
  if (!onward || job.cancelled || job.rolls_back) return "";
  return steps[steps.indexOf(step) + 1] ?? "";
}

/** The first step that players feel, of those that hosts have begun who are in doubt at one. */
export function downSince(step, { steps, rules }) {
  return steps.slice(0, steps.indexOf(step) + 1).find((one) => rules[one].felt) ?? "";
}

/** Of a host's attempts, the one that is in doubt. */
export function doubted(attempts, step) {
  const own = attempts.filter((one) => one.step === step);
  return own.findLast(({ state }) => state === "lost" || state === "running") ?? null;
}

function sentences(...all) {
  return all.filter(Boolean).join(" ");
}
