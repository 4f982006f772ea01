// What is known of a job, its batches and its hosts. Pure values: the list is loaded once, then
// every item of the stream moves it on. Nothing here touches the page.

import { MOVES } from "./moves.js";
import { FAILED, JOB_ENDED, RETRYABLE, shownState } from "./states.js";

/** More groups than that tell nothing at a glance. */
const GROUPS = 30;

/**
 * Hosts are as GET /jobs/{id}/hosts tells them, and carry besides:
 * `shown` (the state of their square), `steps`, name -> {state, n, kind, rc, seconds, at, s}, and
 * `undos`, the same of those that were taken back since.
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
        const known = step.kind === "undo" ? host.undos : host.steps;
        const newer = [known, host.steps].some((told) => told.get(step.step)?.s > as_of_seq);
        if (!newer) known.set(step.step, { ...step, s: as_of_seq });
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

  /** In which step hosts failed, by the causes of GET /jobs/{id}/failures: what was undone since
   * has led them to others. */
  setFailedIn(causes) {
    for (const { step, hosts } of causes) {
      for (const { name } of hosts) {
        const host = this.hosts.get(name);
        if (host) host.failed_in = step;
      }
    }
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
          failing: 0,
          hosts: [],
          budget: this.budgets.get(host.batch) ?? { job: null, batch: null },
          ...this.gates.get(host.batch),
        });
      const batch = found.get(host.batch);
      batch.counts[host.state] = (batch.counts[host.state] ?? 0) + 1;
      batch.shown[host.shown] = (batch.shown[host.shown] ?? 0) + 1;
      if (FAILED.has(host.state) && !host.excluded) batch.failing += 1;
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

  /** Hosts that cannot be reached now, those that are down; of those that failed, which are down
   * and which were set aside; of those that are unknown, which are down. */
  troubles() {
    let unreachable = 0;
    let down = 0;
    let broken = 0;
    let doubted = 0;
    let excluded = 0;
    for (const host of this.hosts.values()) {
      if (host.shown === "unreachable") unreachable += 1;
      if (host.down) down += 1;
      if (host.down && FAILED.has(host.state)) broken += 1;
      if (host.down && host.state === "unknown") doubted += 1;
      if (host.excluded && FAILED.has(host.state)) excluded += 1;
    }
    return { unreachable, down, broken, doubted, excluded };
  }

  /** How many hosts failed and count as failed. */
  get failing() {
    return this.#counting(FAILED).length;
  }

  /** Names of those that a retry of all takes. */
  get retryable() {
    return this.#counting(RETRYABLE).map(({ name }) => name);
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
    // A job that takes back another does nothing else.
    const known = host.steps.get(name) ?? host.undos.get(name);
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

  /** Hosts in these states that nobody has set aside. */
  #counting(states) {
    const hosts = [...this.hosts.values()];
    return hosts.filter(({ state, excluded }) => states.has(state) && !excluded);
  }

  #host(row) {
    const { steps = new Map(), undos = new Map(), slow = false, failed_in = null } =
      this.hosts.get(row.name) ?? {};
    const host = { ...row, steps, undos, slow, failed_in };
    host.shown = shownState(host);
    return host;
  }
}
