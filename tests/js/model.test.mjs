import assert from "node:assert/strict";
import { test } from "node:test";

import { JobModel } from "../../webapp/static/js/model.js";
import { tell } from "../../webapp/static/js/states.js";

const AT = "2026-11-21T02:00:00.000Z";
const LATER = "2026-11-21T02:00:08.400Z";
const STEPS = ["stage", "unpack", "health"];

function host(name, more = {}) {
  return {
    name,
    state: "waiting",
    reason: "",
    error: "",
    step: null,
    batch: 1,
    attempt: null,
    version: null,
    previous: null,
    link: null,
    down: false,
    started_at: null,
    ended_at: null,
    ...more,
  };
}

const BATCHES = [
  { n: 1, canary: true, state: "gate", soak_until: null },
  { n: 2, canary: false, state: "waiting", soak_until: null },
];

function model(...hosts) {
  const made = new JobModel({
    job: { id: 1, state: "running", reason: "", started_at: AT, ended_at: null, batches: BATCHES },
    steps: STEPS,
  });
  made.load({ as_of_seq: 10, hosts });
  return made;
}

test("a host moves by the items that name it", () => {
  const job = model(host("eu-1"), host("eu-2"));
  const changed = job.apply([{ s: 11, h: "eu-1", k: "host", to: "running", at: AT }]);
  assert.deepEqual([...changed.hosts], ["eu-1"]);
  assert.equal(job.hosts.get("eu-1").started_at, AT);
  assert.deepEqual(job.counts(), { running: 1, waiting: 1 });
});

test("what the list told already is not told again", () => {
  const job = model(host("eu-1", { state: "failed" }));
  job.apply([{ s: 10, h: "eu-1", k: "host", to: "running", at: AT }]);
  assert.equal(job.hosts.get("eu-1").state, "failed");
});

test("a newer list is taken, an older one is not, and steps that are known stay", () => {
  const job = model(host("eu-1"));
  job.apply([{ s: 11, h: "eu-1", k: "step", step: "unpack", n: 1, to: "running", at: AT }]);
  job.load({ as_of_seq: 10, hosts: [host("eu-1", { state: "failed" })] });
  assert.notEqual(job.hosts.get("eu-1").state, "failed");
  job.load({ as_of_seq: 20, hosts: [host("eu-1", { state: "failed" })] });
  assert.equal(job.hosts.get("eu-1").shown, "failed");
  assert.equal(job.hosts.get("eu-1").steps.get("unpack").state, "running");
  assert.equal(job.seq, 20);
});

test("another state forgets why the last one was", () => {
  const job = model(host("eu-1", { state: "failed", error: "no space", down: true, ended_at: AT }));
  job.apply([{ s: 11, h: "eu-1", k: "host", excluded: true, at: AT }]);
  assert.equal(job.troubles().down, 1);
  job.apply([{ s: 12, h: "eu-1", k: "host", to: "waiting", at: AT }]);
  assert.equal(job.hosts.get("eu-1").error, "");
  assert.equal(job.hosts.get("eu-1").ended_at, null);
  assert.equal(job.troubles().down, 0);
});

test("a host failed in the step that broke, wherever its undo has led it since", () => {
  const broken = { state: "failed", step: "stage", down: true };
  const job = model(host("eu-1", broken), host("eu-2"));
  job.setFailedIn([{ step: "health", hosts: [{ name: "eu-1" }, { name: "eu-9" }] }]);
  assert.equal(tell(job.hosts.get("eu-1"))[0], "down: failed in health");
  job.load({ as_of_seq: 20, hosts: [host("eu-1", broken)] });
  assert.equal(tell(job.hosts.get("eu-1"))[0], "down: failed in health");
  job.apply([{ s: 21, h: "eu-1", k: "host", to: "waiting", at: AT }]);
  job.apply([{ s: 22, h: "eu-1", k: "host", to: "failed", step: "unpack", at: AT }]);
  assert.equal(tell(job.hosts.get("eu-1"))[0], "failed in unpack");
});

test("a host that was stopped, and of which nobody knows the outcome, is down", () => {
  const job = model(host("eu-1", { state: "running", step: "health", started_at: AT }));
  job.apply([{ s: 11, h: "eu-1", k: "host", to: "unknown", down: true, at: AT }]);
  assert.deepEqual([job.troubles().down, job.troubles().doubted], [1, 1]);
  assert.equal(tell(job.hosts.get("eu-1"))[0], "down: what became of health must be answered");
  job.apply([{ s: 12, h: "eu-1", k: "host", to: "queued", at: AT }]);
  assert.equal(job.troubles().down, 0, "it is answered for, and goes on");
});

test("a lost link shows, and is no outcome", () => {
  const job = model(host("eu-1", { state: "running", started_at: AT }));
  job.apply([{ s: 11, h: "eu-1", k: "link", to: "unreachable", reason: "no route", at: AT }]);
  assert.deepEqual(job.counts(), { unreachable: 1 });
  assert.deepEqual(job.batches()[0].counts, { running: 1 });
  job.apply([{ s: 12, h: "eu-1", k: "host", to: "failed", error: "no route", at: AT }]);
  assert.deepEqual(job.counts(), { failed: 1 });
});

test("a step knows its attempt, its exit status and how long it took", () => {
  const job = model(host("eu-1"));
  job.apply([
    { s: 11, h: "eu-1", k: "step", step: "unpack", n: 1, to: "running", at: AT },
    { s: 12, h: "eu-1", k: "step", step: "unpack", n: 1, to: "failed", rc: 2, at: LATER },
  ]);
  const { state, n, rc, seconds } = job.hosts.get("eu-1").steps.get("unpack");
  assert.deepEqual({ state, n, rc, seconds }, { state: "failed", n: 1, rc: 2, seconds: 8.4 });
  job.apply([{ s: 13, h: "eu-1", k: "step", step: "unpack", n: 2, to: "running", at: LATER }]);
  assert.equal(job.hosts.get("eu-1").steps.get("unpack").seconds, null);
  assert.equal(job.hosts.get("eu-1").attempt, 2);
});

test("a step keeps its own outcome beside that of its undo, until it is done again", () => {
  const job = model(host("eu-1", { state: "running", started_at: AT }));
  const tell = (s, more) => job.apply([{ s, h: "eu-1", k: "step", step: "unpack", n: 1, at: AT, ...more }]);
  tell(11, { to: "failed", rc: 2 });
  tell(12, { to: "running", kind: "undo" });
  tell(13, { to: "succeeded", kind: "undo", rc: 0 });
  const row = job.hosts.get("eu-1");
  assert.deepEqual([job.step(row, "unpack").state, row.undos.get("unpack").state], ["failed", "succeeded"]);
  // An older list does not bring it back.
  tell(14, { to: "running", n: 2 });
  const undo = { step: "unpack", kind: "undo", n: 1, state: "succeeded" };
  job.loadSteps({ as_of_seq: 13, hosts: { "eu-1": [undo] } });
  assert.deepEqual([row.undos.size, job.step(row, "unpack").n], [0, 2]);
});

test("where no step was told, the host's place tells", () => {
  const job = model(host("eu-1", { state: "running", step: "unpack", started_at: AT }));
  const row = job.hosts.get("eu-1");
  assert.deepEqual(
    STEPS.map((name) => job.step(row, name).state),
    ["succeeded", "running", "waiting"],
  );
});

test("steps that are told late do not undo what the stream said since", () => {
  const job = model(host("eu-1"));
  job.apply([{ s: 21, h: "eu-1", k: "step", step: "unpack", n: 1, to: "succeeded", at: AT }]);
  job.loadSteps({
    as_of_seq: 20,
    hosts: {
      "eu-1": [
        { step: "stage", n: 1, state: "succeeded" },
        { step: "unpack", n: 1, state: "running" },
      ],
    },
  });
  const { steps } = job.hosts.get("eu-1");
  assert.equal(steps.get("stage").state, "succeeded");
  assert.equal(steps.get("unpack").state, "succeeded");
});

test("the job itself moves, and what a person should read is told", () => {
  const job = model(host("eu-1"));
  const changed = job.apply([
    { s: 11, k: "order", who: "mira", what: "cancel", at: AT },
    { s: 12, k: "job", to: "cancelled", at: LATER },
  ]);
  assert.equal(job.job.cancelled, true);
  assert.equal(job.ended, true);
  assert.equal(job.job.ended_at, LATER);
  assert.deepEqual(
    changed.told.map((item) => item.k),
    ["order", "job"],
  );
});

test("kinds and hosts it does not know change nothing", () => {
  const job = model(host("eu-1"));
  const changed = job.apply([
    { s: 11, h: "eu-1", k: "weather", to: "rain", at: AT },
    { s: 12, h: "us-9", k: "host", to: "failed", at: AT },
    { s: 13, h: "us-9", k: "step", step: "stage", n: 1, to: "failed", at: AT },
  ]);
  assert.equal(changed.hosts.size, 0);
  assert.equal(job.seq, 13);
});

test("a running host is never drawn full", () => {
  const job = model(
    host("eu-1", { state: "running", step: "health" }),
    host("eu-2", { state: "queued" }),
  );
  assert.ok(job.progress(job.hosts.get("eu-1")) <= 6);
  assert.equal(job.progress(job.hosts.get("eu-2")), 0);
});

test("a batch that is done tells of its gate, until that is open", () => {
  const job = model(host("eu-1", { batch: 1, state: "succeeded" }), host("eu-2", { batch: 2 }));
  const gate = () => job.batches().map(({ canary, gate, until }) => [canary, gate, until]);
  assert.deepEqual(gate(), [
    [true, "gate", undefined],
    [false, undefined, undefined],
  ]);
  job.apply([{ s: 11, k: "batch", n: 1, to: "soaking", until: AT, at: AT }]);
  assert.deepEqual(gate()[0], [true, "soaking", AT]);
  job.apply([{ s: 12, k: "batch", n: 1, to: "succeeded", at: AT }]);
  assert.deepEqual(gate()[0], [true, undefined, undefined]);
});

test("a pause is known until somebody takes it back", () => {
  const job = model(host("eu-1"));
  job.apply([{ s: 11, k: "order", what: "pause", after: "step", who: "mira", at: AT }]);
  assert.equal(job.job.pause, "step");
  job.apply([{ s: 12, k: "order", what: "resume", who: "mira", at: AT }]);
  assert.equal(job.job.pause, "");
});

test("who is slow shows so, until it comes to its next step", () => {
  const job = model(host("eu-1", { state: "running", step: "stage", started_at: AT }), host("eu-2"));
  assert.deepEqual(job.setSlow(["eu-1"]), ["eu-1"]);
  assert.deepEqual([job.counts(), job.slow], [{ slow: 1, waiting: 1 }, 1]);
  assert.deepEqual(job.setSlow(["eu-1"]), []);
  job.apply([{ s: 11, h: "eu-1", k: "step", step: "unpack", n: 1, to: "running", at: AT }]);
  assert.deepEqual(job.counts(), { running: 1, waiting: 1 });
});

test("hosts are grouped by batch, or by a label that tells them apart", () => {
  const job = model(
    host("eu-1", { labels: { region: "eu", name: "a", all: "same" } }),
    host("us-1", { labels: { region: "us", name: "b", all: "same" }, batch: 2 }),
    host("eu-2", { labels: { region: "eu", all: "same" }, batch: 2 }),
  );
  const grouped = (by) => job.groups(by).map(({ value, hosts }) => [value, hosts.map(({ name }) => name)]);
  assert.deepEqual(job.labels(), ["name", "region"]);
  assert.deepEqual(grouped("region"), [["eu", ["eu-1", "eu-2"]], ["us", ["us-1"]]]);
  assert.deepEqual(grouped(""), [[1, ["eu-1"]], [2, ["us-1", "eu-2"]]]);
  assert.deepEqual(grouped("name"), [["a", ["eu-1"]], ["b", ["us-1"]], ["", ["eu-2"]]]);
});

test("a job that began between the page and the list runs, and news that is old changes nothing", () => {
  const job = model(host("eu-1"));
  job.job.state = "waiting";
  const told = { ...job.job, state: "running", last_seq: 10, batches: [] };
  job.loadJob(told);
  assert.equal(job.job.state, "running");
  job.apply([{ s: 12, k: "job", to: "halted", reason: "why", at: AT }]);
  job.loadJob({ ...told, last_seq: 11 });
  assert.deepEqual([job.job.state, job.job.reason], ["halted", "why"]);
});

test("a host that is set aside counts no more as failing, until it is tried again", () => {
  const job = model(host("eu-1", { state: "failed" }), host("eu-2", { state: "failed" }));
  const changed = job.apply([{ s: 11, h: "eu-1", k: "host", excluded: true, reason: "excluded by mira" }]);
  assert.ok(changed.failed);
  assert.deepEqual([job.failing, job.retryable.length, job.troubles().excluded], [1, 1, 1]);
  assert.equal(job.batches()[0].failing, 1);
  job.apply([{ s: 12, h: "eu-1", k: "host", to: "waiting", at: LATER }]);
  assert.deepEqual([job.hosts.get("eu-1").excluded, job.troubles().excluded], [false, 0]);
});
