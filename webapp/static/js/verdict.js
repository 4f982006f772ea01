// The one sentence that is always true, while it changes. Says what webapp/verdict.py says: both
// are held to the same table of cases (tests/verdict_cases.json).

import { FAILED, HOST_ACTIVE, HOST_ENDED, JOB_ENDED } from "./states.js";
import { duration, fill, gettext, ngettext } from "./words.js";

/**
 * @param job state, cancelled, start_at, created_at, started_at, ended_at, rolled_back_by
 * @param batches [{n, counts, gate?}] @param situation counts of hosts that are `unreachable`, `down` and
 * `slow`; of those that failed, how many are down (`broken`) and were set aside (`excluded`); of those unknown, are down (`doubted`); how many may fail (`limit`, null: any number); seconds `left` (null: who knows);
 * `unfit`: a person has to say whether it begins with hosts that are not fit; `now`, milliseconds
 */
export function verdict(job, batches, situation) {
  return pieces(job, batches, situation)
    .map(({ text }) => text)
    .join("");
}

const NOTHING = { unreachable: 0, down: 0, broken: 0, doubted: 0, slow: 0, excluded: 0, limit: null, left: null, unfit: false };

/** The sentence in pieces, `{text, tone}`; tone is "", "strong", "failed" or "slow". */
export function pieces(job, batches, { now = Date.now(), ...given } = {}) {
  const goes = job.state === "running" && !job.cancelled;
  // Those that are slow are some of those that run, which are counted where it does not go on.
  const situation = { ...NOTHING, ...given, ...(goes ? {} : { slow: 0 }) };
  if (job.state === "waiting") return [{ text: ahead(job, batches, now), tone: "" }];
  if (isBeforeSwitch(job, now)) return staging(job, batches, situation);
  const opening = takenBack(job, open(job, batches, situation));
  const done = job.rolls_back
    ? gettext("%(updated)d of %(total)d taken back")
    : gettext("%(updated)d of %(total)d updated");
  // What is quiet while it goes well is not told then.
  const found = listed(findings(done, batches, { ...situation, quiet: goes }));
  return [
    ...(opening ? [{ text: opening + gettext(": "), tone: "" }] : []),
    ...found,
    { text: gettext("."), tone: "" },
  ];
}

/** waiting, running, or how it ended: succeeded, failed, cancelled. */
export function batchState({ counts }) {
  const total = count(counts);
  if (count(counts, ["waiting", "staged"]) === total) return "waiting";
  if (count(counts, HOST_ENDED) < total) return "running";
  if (count(counts, FAILED)) return "failed";
  return counts.cancelled ? "cancelled" : "succeeded";
}

/** The batch that is under way, else the last that was. */
export function currentBatch(batches) {
  const begun = batches.filter((batch) => batchState(batch) !== "waiting");
  const underWay = begun.find((batch) => batchState(batch) === "running");
  return (underWay ?? begun.at(-1))?.n ?? 1;
}

/** The batch that goes on, or begins. */
function nextBatch(batches) {
  const next = batches.find((batch) => ["waiting", "running"].includes(batchState(batch)));
  return next?.n ?? currentBatch(batches);
}

export function count(counts, states = Object.keys(counts)) {
  let sum = 0;
  for (const state of states) sum += counts[state] ?? 0;
  return sum;
}

/** Where hosts stage ahead: whether none of them may go down yet. */
export function isBeforeSwitch(job, now = Date.now()) {
  if (job.rollout?.stage !== "ahead" || job.cancelled || JOB_ENDED.has(job.state)) return false;
  return !job.start_at || Date.parse(job.start_at) > now;
}

/** What is done ahead, and when hosts begin to go down. */
function staging(job, batches, troubles) {
  const person = troubles.unfit ? unfit() : "";
  const openings = {
    running: person || gettext("Staging"),
    paused: job.pause ? gettext("Paused while staging") : person,
    halted: gettext("Halted while staging"),
  };
  const opening = openings[job.state];
  const done = gettext("%(updated)d of %(total)d staged");
  const found = findings(done, batches, { ...troubles, first: "staged", left: null });
  const then = job.start_at
    ? fill(gettext("%(so_far)s; the switch begins at %(at)s UTC."), {
        so_far: SO_FAR,
        at: new Date(job.start_at).toISOString().slice(0, 16).replace("T", " "),
      })
    : fill(gettext("%(so_far)s; the switch waits for a person."), { so_far: SO_FAR });
  const [before, after] = then.split(SO_FAR);
  return [
    { text: (opening ? opening + gettext(": ") : "") + before, tone: "" },
    ...listed(found),
    { text: after, tone: "" },
  ].filter(({ text }) => text);
}

/** Stands in a sentence for its pieces, which have tones of their own. */
const SO_FAR = "\u0000";

function listed(found) {
  return found.flatMap((said, i) => (i ? [{ text: gettext(", "), tone: "" }, ...said] : said));
}

function ahead(job, batches, now) {
  const total = batches.reduce((sum, batch) => sum + count(batch.counts), 0);
  const hosts = fill(ngettext("%(count)d host", "%(count)d hosts", total), { count: total });
  if (job.rollout?.stage !== "ahead" && job.start_at && Date.parse(job.start_at) > now) {
    const at = new Date(job.start_at).toISOString().slice(0, 16).replace("T", " ");
    return fill(gettext("Starts at %(at)s UTC: %(hosts)s."), { at, hosts });
  }
  return fill(gettext("Waits for a worker: %(hosts)s."), { hosts });
}

function open(job, batches, situation) {
  const begun = Date.parse(job.started_at ?? job.created_at);
  const took = duration((Date.parse(job.ended_at ?? job.created_at) - begun) / 1000);
  if (job.state === "succeeded") return fill(gettext("Succeeded in %(took)s"), { took });
  if (job.state === "failed") return fill(gettext("Failed after %(took)s"), { took });
  if (job.state === "cancelled") return fill(gettext("Cancelled after %(took)s"), { took });
  if (job.cancelled) return gettext("Cancelling");
  const place = { n: currentBatch(batches), of: batches.length };
  const waits = situation.unfit ? unfit() : between(batches);
  if (job.state === "paused" && job.pause) return fill(gettext("Paused in batch %(n)d of %(of)d"), place);
  // Taken back, or promoted, and no worker has looked since.
  if (job.state === "paused" && !waits)
    return fill(gettext("Waits for a worker to go on with batch %(n)d of %(of)d"), {
      ...place,
      n: nextBatch(batches),
    });
  if (job.state === "halted") return fill(gettext("Halted in batch %(n)d of %(of)d"), place);
  return waits || (batches.length > 1 ? fill(gettext("Batch %(n)d of %(of)d"), place) : "");
}

function unfit() {
  return gettext("Waits for a person, not all hosts are fit");
}

/** Where a batch is done and the next one may not begin: for what it waits. */
function between(batches) {
  const { n, gate } = batches.find((batch) => batch.gate) ?? {};
  const place = { n, of: batches.length };
  if (gate === "gate") return fill(gettext("Batch %(n)d of %(of)d is done and waits to be promoted"), place);
  if (gate === "soaking") return fill(gettext("Batch %(n)d of %(of)d is done and must stay well"), place);
  return "";
}

function takenBack({ state, rolled_back_by: by }, ended) {
  if (!by || !JOB_ENDED.has(state)) return ended;
  return fill(gettext("%(ended)s, taken back by job #%(job)s"), { ended, job: by });
}

/** How many of those that failed may, and how many count no more. */
function bounds(limit, excluded) {
  if (limit === null)
    return excluded ? fill(gettext(" (%(excluded)d excluded)"), { excluded }) : "";
  return excluded
    ? fill(gettext(" (limit %(limit)d, %(excluded)d excluded)"), { limit, excluded })
    : fill(gettext(" (limit %(limit)d)"), { limit });
}

/** Each in its pieces. @param first `done` counts those in this state */
function findings(
  done,
  batches,
  { first = "succeeded", unreachable, down, broken, doubted, slow, excluded, limit, left, quiet },
) {
  const over = (...states) => batches.reduce((sum, batch) => sum + count(batch.counts, states), 0);
  const total = batches.reduce((sum, batch) => sum + count(batch.counts), 0);
  const failed = over(...FAILED);
  const unknown = over("unknown");
  const limited = [{ text: bounds(limit, excluded), tone: "" }].filter(({ text }) => text);
  const further = [
    [quiet ? 0 : over("skipped"), gettext("%(count)d skipped"), ""],
    [failed, gettext("%(count)d failed"), "failed", ...limited],
    [broken, downOf(failed, broken), "failed"],
    [over("rolled_back"), gettext("%(count)d of them rolled back"), ""],
    [unknown, gettext("%(count)d unknown"), "strong"],
    [doubted, downOf(unknown, doubted), "failed"],
    [over("cancelled"), gettext("%(count)d cancelled"), ""],
    [quiet ? 0 : over(...HOST_ACTIVE), gettext("%(count)d running"), ""],
    [first === "staged" ? 0 : over("staged"), gettext("%(count)d staged"), ""],
    [unreachable, gettext("%(count)d unreachable"), ""],
    [down - broken - doubted, gettext("%(count)d down"), "failed"],
    [slow, gettext("%(count)d slow"), "slow"],
  ];
  return [
    [{ text: fill(done, { updated: over(first), total }), tone: "strong" }],
    ...further
      .filter(([n]) => n)
      .map(([n, text, tone, ...more]) => [{ text: fill(text, { count: n }), tone }, ...more]),
    ...(left === null ? [] : [[{ text: remaining(left), tone: "" }]]),
  ];
}

/** They are counted once: of those that failed, or are unknown. */
function downOf(failed, down) {
  return down < failed ? gettext("%(count)d of them down") : ngettext("which is down", "all of them down", failed);
}

/** As exactly as one can know it. */
function remaining(seconds) {
  if (seconds < 60) return gettext("less than a minute left");
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return fill(gettext("about %(n)s min left"), { n: minutes });
  return fill(gettext("about %(n)s h left"), { n: Math.round(seconds / 3600) });
}
