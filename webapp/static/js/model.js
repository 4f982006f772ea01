// What is known of a job, its batches and its hosts. Pure values: the list is loaded once, then
// every item of the stream moves it on. Nothing here touches the page.

import { HOST_ENDED, JOB_ENDED, shownState } from "./states.js";

/** More groups than that tell nothing at a glance. */
const GROUPS = 30;
const FAILED = new Set(["failed", "rolled_back"]);

/**
 * Hosts are as GET /jobs/{id}/hosts tells them, and carry besides:
 * `shown` (the state of their square) and `steps`, name -> {state, n, kind, rc, seconds, at, s}.
 */
export class JobModel {
  /** @param job as GET /jobs/{id} tells it @param steps names in the recipe's order */
  constructor({ job, steps, cancelled = false }) {
    this.job = { ...job, cancelled };
    this.steps = steps;
    this.place = new Map(steps.map((name, index) => [name, index]));
    this.hosts = new Map();
    this.canaries = new Set(job.batches.filter(({ canary }) => canary).map(({ n }) => n));
    /** Batches that are done while their gate is not open: n -> {gate, until}. */
    this.gates = new Map();
    for (const { n, state, soak_until } of job.batches) this.setGate(n, state, soak_until);
    this.setTerms(job);
    // Before the first batch stands the check of the hosts, where there is one.
    this.setGate(0, job.check);
    this.seq = 0;
    this.jobSeq = 0; // of the newest item that moved the job itself
  }

  /** The job as it was told anew: a list that was read later than the page jumps over its moves. */
  loadJob(job) {
    this.setTerms(job);
    if (job.last_seq < this.jobSeq) return;
    this.jobSeq = job.last_seq;
    const { state, reason, pause, start_at, started_at, ended_at } = job;
    Object.assign(this.job, { state, reason, pause, start_at, started_at, ended_at });
    for (const { n, state: to, soak_until } of job.batches) this.setGate(n, to, soak_until);
  }

  /** The terms as they are now, and how many hosts may fail by them; null for no limit. */
  setTerms({ limit, rollout, batches }) {
    Object.assign(this.job, { limit, rollout });
    this.budgets = new Map(
      batches.map(({ n, budget, batch_budget }) => [n, { job: budget, batch: batch_budget }]),
    );
  }

  /** Take the whole list: at the beginning, and again where the stream would tell it late. */
  load({ as_of_seq, hosts }) {
    if (as_of_seq < this.seq) return;
    this.seq = as_of_seq;
    this.hosts = new Map(hosts.map((host) => [host.name, this.#host(host)]));
  }

  /** Steps of hosts that were told later than the stream had begun; what we know later stays. */
  loadSteps({ as_of_seq, hosts }) {
    for (const [name, steps] of Object.entries(hosts)) {
      const host = this.hosts.get(name);
      for (const step of host ? steps : []) {
        if (!(host.steps.get(step.step)?.s > as_of_seq))
          host.steps.set(step.step, { ...step, s: as_of_seq });
      }
    }
  }

  /** Move on by items of the stream. Gives what changed: names of hosts, whether the job did, and
   * whether other hosts count as failed than before. */
  apply(items) {
    const changed = { hosts: new Set(), job: false, failed: false, told: [] };
    for (const item of items) {
      if (item.s <= this.seq) continue;
      this.seq = item.s;
      if (item.h === undefined) this.jobSeq = item.s;
      const move = MOVES[item.k];
      if (move) move.call(this, item, changed);
    }
    for (const name of changed.hosts) {
      const host = this.hosts.get(name);
      host.shown = shownState(host);
    }
    return changed;
  }

  /** Who takes much longer than others, until it is told anew. Gives whose square changes. */
  setSlow(names) {
    const slow = new Set(names);
    const changed = [...this.hosts.values()].filter(({ name, slow: was }) => was !== slow.has(name));
    for (const host of changed) {
      host.slow = slow.has(host.name);
      host.shown = shownState(host);
    }
    return changed.map(({ name }) => name);
  }

  /** How many hosts show which state. */
  counts() {
    const counts = {};
    for (const { shown } of this.hosts.values()) counts[shown] = (counts[shown] ?? 0) + 1;
    return counts;
  }

  /** Batches in order: `{n, canary, counts, gate?, until?}`, counts as the verdict counts them. */
  batches() {
    const found = new Map();
    for (const host of this.hosts.values()) {
      if (!found.has(host.batch))
        found.set(host.batch, {
          n: host.batch,
          canary: this.canaries.has(host.batch),
          counts: {},
          shown: {},
          hosts: [],
          budget: this.budgets.get(host.batch) ?? { job: null, batch: null },
          ...this.gates.get(host.batch),
        });
      const batch = found.get(host.batch);
      batch.counts[host.state] = (batch.counts[host.state] ?? 0) + 1;
      batch.shown[host.shown] = (batch.shown[host.shown] ?? 0) + 1;
      batch.hosts.push(host);
    }
    return [...found.values()].sort((a, b) => a.n - b.n);
  }

  /** Labels by which hosts can be grouped: of some values, but not of one for each host. */
  labels() {
    const values = new Map();
    for (const { labels } of this.hosts.values()) {
      for (const [label, value] of Object.entries(labels ?? {})) {
        if (!values.has(label)) values.set(label, new Set());
        values.get(label).add(String(value));
      }
    }
    return [...values]
      .filter(([, found]) => found.size > 1 && found.size <= GROUPS)
      .map(([label]) => label)
      .sort();
  }

  /** Hosts by batch, or by a label: `{value, hosts}`; those without it come last. */
  groups(label) {
    const found = new Map();
    for (const host of this.hosts.values()) {
      const value = label ? String(host.labels?.[label] ?? "") : host.batch;
      if (!found.has(value)) found.set(value, []);
      found.get(value).push(host);
    }
    const order = label ? ([a], [b]) => !a - !b || a.localeCompare(b) : ([a], [b]) => a - b;
    return [...found].sort(order).map(([value, hosts]) => ({ value, hosts }));
  }

  /** Hosts that cannot be reached now, and those that are down. */
  troubles() {
    let unreachable = 0;
    let down = 0;
    for (const host of this.hosts.values()) {
      if (host.shown === "unreachable") unreachable += 1;
      if (host.down) down += 1;
    }
    return { unreachable, down };
  }

  /** How many hosts take much longer than others. */
  get slow() {
    return this.counts().slow ?? 0;
  }

  get ended() {
    return JOB_ENDED.has(this.job.state);
  }

  /** How far through its steps a running host is: 0 (queued) to 6, never full. */
  progress(host) {
    if (host.state === "queued") return 0;
    const at = this.place.get(host.step) ?? 0;
    return 1 + Math.min(5, Math.floor((6 * at) / Math.max(1, this.steps.length)));
  }

  /** What a host's step shows where nothing was told of it: from where the host stands. */
  step(host, name) {
    const known = host.steps.get(name);
    if (known) return known;
    const here = this.place.get(host.step);
    if (host.state === "succeeded" || this.place.get(name) < here) return { state: "succeeded" };
    if (host.state === "skipped") return { state: "skipped" };
    return { state: this.place.get(name) === here && host.started_at ? host.shown : "waiting" };
  }

  setGate(n, to, until) {
    if (to === "soaking" || to === "gate")
      this.gates.set(n, { gate: to, until: until ?? undefined });
    else this.gates.delete(n);
  }

  #host(row) {
    const steps = this.hosts.get(row.name)?.steps ?? new Map();
    const host = { ...row, steps, slow: this.hosts.get(row.name)?.slow ?? false };
    host.shown = shownState(host);
    return host;
  }
}

/** One way to move per kind of item; kinds that are not here change nothing we show. */
const MOVES = {
  host(item, changed) {
    const host = this.hosts.get(item.h);
    if (!host) return;
    const moved = item.to !== undefined && item.to !== host.state;
    if (moved) {
      changed.failed ||= FAILED.has(item.to) || FAILED.has(host.state);
      // Another state has its own reason; what explained the old one is over.
      host.reason = host.error = "";
      host.state = item.to;
      if (item.to === "running") host.started_at ??= item.at;
      host.ended_at = HOST_ENDED.has(item.to) ? item.at : null;
      if (HOST_ENDED.has(item.to)) host.activity = "";
    }
    for (const key of ["reason", "error", "step", "version", "previous", "activity", "down"]) {
      if (item[key] !== undefined) host[key] = item[key];
    }
    changed.hosts.add(host.name);
  },

  step(item, changed) {
    const host = this.hosts.get(item.h);
    if (!host) return;
    const before = host.steps.get(item.step);
    const same = before && before.n === item.n && before.kind === (item.kind ?? "do");
    const ends = item.to !== "running";
    const begun = same && ends ? before.at : item.at;
    const seconds =
      item.seconds ?? (begun && ends ? (Date.parse(item.at) - Date.parse(begun)) / 1000 : null);
    // Of one whose beginning nobody saw, the end is told with how long it took.
    const unseen = !same && ends && seconds;
    const at = unseen ? new Date(Date.parse(item.at) - 1000 * seconds).toISOString() : begun;
    host.steps.set(item.step, {
      step: item.step,
      n: item.n,
      kind: item.kind ?? "do",
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
    host.link = item.to;
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
