// How the model of a job moves by an item of its stream, one way for each kind.

import { FAILED, HOST_ENDED, JOB_ENDED } from "./states.js";

/** What an item says of a host beside its state. */
const TOLD = ["reason", "error", "step", "version", "previous", "activity", "down", "excluded"];

/** One way to move per kind of item; kinds that are not here change nothing we show. */
export const MOVES = {
  host(item, changed) {
    const host = this.hosts.get(item.h);
    if (!host) return;
    const moved = item.to !== undefined && item.to !== host.state;
    if (moved) {
      changed.failed ||= FAILED.has(item.to) || FAILED.has(host.state);
      // Another state has its own reason; what explained the old one is over.
      host.reason = host.error = "";
      host.failed_in = null;
      host.excluded = host.down = false;
      host.state = item.to;
      if (item.to === "running") host.started_at ??= item.at;
      host.ended_at = HOST_ENDED.has(item.to) ? item.at : null;
      host.heard_at = item.to === "unknown" ? (host.heard_at ?? item.at) : null;
      if (HOST_ENDED.has(item.to)) host.activity = "";
    }
    changed.failed ||= item.excluded !== undefined;
    for (const key of TOLD) {
      if (item[key] !== undefined) host[key] = item[key];
    }
    changed.hosts.add(host.name);
  },

  step(item, changed) {
    const host = this.hosts.get(item.h);
    if (!host) return;
    const kind = item.kind ?? "do";
    const told = kind === "undo" ? host.undos : host.steps;
    const before = told.get(item.step);
    const same = before?.n === item.n;
    const ends = item.to !== "running";
    const begun = same && ends ? before.at : item.at;
    const seconds =
      item.seconds ?? (begun && ends ? (Date.parse(item.at) - Date.parse(begun)) / 1000 : null);
    // Of one whose beginning nobody saw, the end is told with how long it took.
    const unseen = !same && ends && seconds;
    const at = unseen ? new Date(Date.parse(item.at) - 1000 * seconds).toISOString() : begun;
    // What is done again is no longer undone.
    if (kind === "do") host.undos.delete(item.step);
    told.set(item.step, {
      step: item.step,
      n: item.n,
      kind,
      state: item.to,
      rc: item.rc ?? null,
      seconds,
      at,
      s: item.s,
    });
    // Whether it is slow is said of a step; of the next nobody knows yet.
    if (host.step !== item.step) host.slow = false;
    host.step = item.step;
    host.attempt = item.n;
    changed.hosts.add(host.name);
  },

  link(item, changed) {
    const host = this.hosts.get(item.h);
    if (!host) return;
    if (item.to !== host.link) host.link_at = item.at;
    host.link = item.to;
    host.heard_at = item.to === "unreachable" ? (host.heard_at ?? item.at) : null;
    host.link_reason = item.reason ?? "";
    changed.hosts.add(host.name);
  },

  job(item, changed) {
    this.job.state = item.to;
    this.job.reason = item.reason ?? "";
    this.job.started_at ??= item.to === "running" ? item.at : null;
    this.job.ended_at = JOB_ENDED.has(item.to) ? item.at : null;
    changed.job = true;
    changed.told.push(item);
  },

  batch(item, changed) {
    this.setGate(item.n, item.to, item.until);
    changed.job = true;
    changed.told.push(item);
  },

  order(item, changed) {
    if (item.what === "cancel") this.job.cancelled = true;
    if (item.what === "retry") this.job.cancelled = false;
    if (item.what === "switch") this.job.start_at = item.opens;
    if (item.what === "rollback") this.job.rolled_back_by = item.by_job;
    if (item.what === "pause") this.job.pause = item.after;
    if (item.what === "resume" || item.what === "promote") this.job.pause = "";
    changed.job = true;
    changed.told.push(item);
  },

  note(item, changed) {
    changed.told.push(item);
  },
};
