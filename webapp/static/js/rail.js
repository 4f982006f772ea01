// The batches, left to right: how large, how far, how many failed of how many that may, and what
// stands before and after those that are still ahead.

import { element, setClass, setText } from "./dom.js";
import { bar, fillBar } from "./marks.js";
import { FAILED, HOST_ENDED, JOB_ENDED } from "./states.js";
import { batchState, count, currentBatch } from "./verdict.js";
import { clock, duration, fill, gettext, ngettext, number } from "./words.js";

/** With fewer hosts shares say less than numbers do. */
const SHARES_FROM = 20;

export class Rail {
  constructor(root) {
    this.root = root;
    this.entries = new Map();
  }

  /** @param batches of the model @param job its `state`, `rollout` and `pause` */
  paint(batches, job, running) {
    const current = running ? currentBatch(batches) : null;
    const total = batches.reduce((sum, { hosts }) => sum + hosts.length, 0);
    const failed = batches.reduce((sum, { failing }) => sum + failing, 0);
    let through = 0;
    batches.forEach((batch, place) => {
      const entry = this.entries.get(batch.n) ?? this.#add(batch);
      const size = batch.hosts.length;
      through += size;
      const state = batchState(batch);
      const isCurrent = batch.n === current;
      const done = count(batch.counts, HOST_ENDED);
      setText(entry.name, name(batch, { size, total, through }));
      setText(entry.done, state === "waiting" ? number(size) : `${number(done)}/${number(size)}`);
      fillBar(entry.bar, batch.shown, size);
      const asks =
        place > 0 &&
        (nth(job.rollout.gate, place) === "manual" ||
          (job.pause === "batch" && batches[place - 1].n === current));
      const [text, hot] =
        state === "waiting" && !batch.gate
          ? ahead(batch, { job, asks, first: place === 0, soak: nth(job.rollout.soak, place + 1) })
          : stands(state, batch, isCurrent ? failed : null);
      setText(entry.small, text);
      setClass(entry.small, hot ? "asks" : "");
      this.#budget(entry, isCurrent ? batch.budget : {}, { failed, here: batch.failing });
      if (isCurrent) entry.item.setAttribute("aria-current", "step");
      else entry.item.removeAttribute("aria-current");
    });
  }

  #add({ n }) {
    const [title, done, small] = [
      element("span"),
      element("span", { class: "end" }),
      element("small"),
    ];
    const [shares, used] = [bar(), bar()];
    used.setAttribute("class", "bar used");
    const item = element(
      "li",
      {},
      element("span", { class: "t" }, element("b", {}, String(n)), title, done),
      shares,
      small,
      used,
    );
    this.root.append(item);
    const entry = { item, name: title, done, small, bar: shares, used };
    this.entries.set(n, entry);
    return entry;
  }

  /** The part of what may fail that has: of the job, or of the batch where only that is limited. */
  #budget({ used }, { job = null, batch = null }, { failed, here }) {
    const [spent, most] = job > 0 ? [failed, job] : [here, batch];
    used.toggleAttribute("hidden", !most);
    if (most) fillBar(used, { failed: Math.min(spent, most) }, most);
  }
}

/** What a term says of the n-th batch: it may be a list, whose last holds for all that follow. */
export function nth(term, n) {
  return Array.isArray(term) ? term[Math.min(n, term.length) - 1] : term;
}

/** "canary", "all", "to 10 %" of all hosts, "the rest". */
function name({ canary }, { size, total, through }) {
  if (canary) return gettext("canary");
  if (size === total) return gettext("all");
  if (total < SHARES_FROM) return "";
  if (through === total) return gettext("the rest");
  return fill(gettext("to %(share)s"), { share: `${Math.round((100 * through) / total)} %` });
}

/** Of a batch that nobody has begun: who opens it, and what comes after it. */
function ahead({ canary, budget, counts }, { job, asks, first, soak }) {
  if (job.cancelled || JOB_ENDED.has(job.state)) return [gettext("does not begin any more"), false];
  if (job.state === "halted") return [gettext("held back"), false];
  const opens = asks
    ? gettext("waits for your go")
    : first
      ? gettext("begins")
      : gettext("goes on by itself");
  const rest = [
    counts.staged ? fill(gettext("%(n)s staged"), { n: number(counts.staged) }) : "",
    canary && budget.job === 0 ? gettext("one failure halts it") : "",
    soak ? fill(gettext("soaks %(time)s"), { time: whole(duration(soak)) }) : "",
  ];
  return [[opens, ...rest].filter(Boolean).join(gettext(", ")), asks];
}

/** Its number does not leave its unit. */
function whole(span) {
  return span.replaceAll(" ", "\u00a0");
}

/** @param used of the batch that is under way: failures of the job until now */
function stands(state, { counts, gate, until, budget, failing }, used) {
  if (gate === "gate") return [gettext("done, waits to be promoted"), true];
  if (gate === "soaking")
    return [
      fill(gettext("must stay well until %(time)s"), { time: clock(until, { seconds: false }) }),
    ];
  if (used !== null && (budget.job > 0 || budget.batch > 0))
    return [
      [
        budget.job > 0 ? failures(used, budget.job) : "",
        budget.batch > 0
          ? fill(gettext("%(used)s of %(budget)s here"), {
              used: number(failing),
              budget: number(budget.batch),
            })
          : "",
      ]
        .filter(Boolean)
        .join(gettext(", ")),
    ];
  const failed = count(counts, FAILED);
  if (failed)
    return [fill(ngettext("%(n)s failed", "%(n)s failed", failed), { n: number(failed) })];
  if (state === "cancelled") return [gettext("cancelled")];
  if (state === "succeeded") return [gettext("done")];
  const active = count(counts, ["queued", "running", "paused"]);
  const parts = [
    [active, gettext("%(n)s running")],
    [counts.staged, gettext("%(n)s staged")],
    [counts.waiting, gettext("%(n)s to go")],
  ];
  const said = parts.filter(([n]) => n).map(([n, text]) => fill(text, { n: number(n) }));
  return [said.join(gettext(", "))];
}

/** Who was under way when it halted may have failed since: there may be more than may. */
function failures(used, budget) {
  const said =
    used > budget
      ? gettext("%(used)s failed, at most %(budget)s may")
      : ngettext("%(used)s of %(budget)s failure used", "%(used)s of %(budget)s failures used", budget);
  return fill(said, { used: number(used), budget: number(budget) });
}
