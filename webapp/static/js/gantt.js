// When each host went through each step: as bars on one scale. Pure values; times are milliseconds.

import { HOST_ENDED, isGone } from "./states.js";

/** Ways to put hosts in order; "step:<name>" is one more for each step. */
export const SORTS = ["start", "longest", "worst", "name"];

const WORST = ["failed", "rolled_back", "unknown", "unreachable", "slow", "running", "draining"];

/** From its beginning to its end, or until now; null for a host that has not begun. One of which
 * nobody hears, until it was heard of: how it went on, `until` now, nobody knows. */
export function passage(host, now) {
  const { started_at: begun, ended_at: ended, state } = host;
  if (!begun) return null;
  const from = Date.parse(begun);
  const to = ended ? Date.parse(ended) : HOST_ENDED.has(state) ? from : heard(host, now);
  return { from, to: Math.max(from, to), ...(isGone(host) ? { until: now } : {}) };
}

/** Until when one knows what it runs. */
function heard(host, now) {
  if (!isGone(host)) return now;
  return Date.parse(host.heard_at ?? host.started_at);
}

/**
 * What a host went through: `{step, place, from, to, state, n, kind, rc, seconds, late, unheard}` as it went,
 * what was taken back last. `late`: it took much longer than nearly all others, by `usual`: step -> {p50, p95};
 * `unheard`: it ran when the host was last heard of.
 */
export function segments(host, steps, { now, usual }) {
  const found = [];
  const begun = steps.flatMap((step, place) =>
    [host.steps.get(step), host.undos?.get(step)].map((known) => ({ step, place, known })),
  );
  for (const { step, place, known } of begun) {
    if (!known?.at) continue;
    const from = Date.parse(known.at);
    const runs = known.state === "running" && !HOST_ENDED.has(host.state);
    const unheard = isGone(host) && (runs || known.state === "lost");
    const to = runs || unheard ? Math.max(from, heard(host, now)) : from + 1000 * (known.seconds ?? 0);
    const seconds = (to - from) / 1000;
    found.push({
      ...known,
      place,
      from,
      to: Math.max(from, to),
      seconds,
      unheard,
      late: known.kind !== "undo" && late(seconds, usual.get(step)),
    });
  }
  return found.sort((a, b) => a.from - b.from);
}

/** As the server tells who is slow; see webapp/pace.py. */
function late(seconds, { p50 = null, p95 = null } = {}) {
  return p50 !== null && seconds > Math.max(p95, 3 * p50, p50 + 5);
}

/** Hosts that have begun, in order; those that have not come last, as they are. */
export function sorted(hosts, by, now) {
  const begun = hosts.filter(({ started_at: at }) => at);
  const key = keys(by, now);
  const order = begun
    .map((host) => ({ host, key: key(host) }))
    .sort((a, b) => compare(a.key, b.key) || compare(a.host.name, b.host.name));
  return [...order.map(({ host }) => host), ...hosts.filter(({ started_at: at }) => !at)];
}

function keys(by, now) {
  if (by.startsWith("step:")) {
    const step = by.slice("step:".length);
    return (host) => -(took(host, step, now) ?? -1);
  }
  switch (by) {
    case "longest":
      return (host) => {
        const { from, to } = passage(host, now);
        return from - to;
      };
    case "worst":
      return (host) => (host.down ? -1 : WORST.indexOf(host.shown) + 1 || WORST.length + 1);
    case "name":
      return ({ name }) => name;
    default:
      return ({ started_at: at }) => Date.parse(at);
  }
}

function took(host, step, now) {
  const known = host.steps.get(step) ?? host.undos?.get(step);
  if (known?.state === "running" && !HOST_ENDED.has(host.state))
    return (heard(host, now) - Date.parse(known.at)) / 1000;
  return known?.seconds;
}

/** One for all: to make it costs a hundred times what it takes to ask it. */
const names = new Intl.Collator(undefined, { numeric: true });

function compare(a, b) {
  if (typeof a === "string") return names.compare(a, b);
  return a - b;
}

/**
 * The scale of all bars, `{from, span}`: of the clock, or (`aligned`) of seconds since each host's
 * own beginning. There a few that took much longer than the others are cut at its end.
 */
export function scale(hosts, { job, aligned, now }) {
  const all = hosts.map((host) => passage(host, now)).filter(Boolean);
  if (aligned) {
    const spans = all.map(({ from, to }) => to - from).sort((a, b) => a - b);
    const usual = spans[Math.ceil(0.95 * spans.length) - 1] ?? 0;
    return { from: 0, span: Math.max(1000, Math.min(spans.at(-1) ?? 0, 2 * usual)) };
  }
  const froms = all.map(({ from }) => from);
  if (job.started_at) froms.push(Date.parse(job.started_at));
  const from = froms.reduce((a, b) => Math.min(a, b), Infinity);
  const to = all.reduce((most, one) => Math.max(most, one.to), job.ended_at ? 0 : now);
  return { from: Number.isFinite(from) ? from : now, span: Math.max(1000, to - from || 0) };
}

/** Steps between marks, in seconds, that people read easily. */
const NICE = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** At most `most` marks of a scale, milliseconds after its beginning; of the clock at round times. */
export function marks({ from, span }, most, { aligned }) {
  const every = 1000 * (NICE.find((seconds) => span / 1000 / seconds <= most) ?? NICE.at(-1));
  const first = aligned ? 0 : Math.ceil(from / every) * every - from;
  const found = [];
  for (let at = first; at <= span; at += every) found.push(at);
  return found;
}
