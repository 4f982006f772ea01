import assert from "node:assert/strict";
import { test } from "node:test";

import { marks, passage, scale, segments, sorted } from "../../webapp/static/js/gantt.js";
import { inView } from "../../webapp/static/js/rows.js";

const T = Date.parse("2026-11-21T02:00:00.000Z");
const at = (seconds) => new Date(T + 1000 * seconds).toISOString();
const STEPS = ["stage", "switch", "health"];

function host(name, more = {}) {
  return {
    name,
    state: "succeeded",
    shown: "succeeded",
    started_at: at(0),
    ended_at: at(60),
    steps: new Map(),
    ...more,
  };
}

function step(name, begun, seconds, more = {}) {
  return [
    name,
    { step: name, n: 1, kind: "do", state: "succeeded", rc: 0, seconds, at: at(begun), ...more },
  ];
}

test("a host's passage ends when it did, or goes on until now", () => {
  assert.deepEqual(passage(host("a"), T + 90_000), { from: T, to: T + 60_000 });
  const running = host("b", { state: "running", ended_at: null });
  assert.deepEqual(passage(running, T + 90_000), { from: T, to: T + 90_000 });
  assert.equal(passage(host("c", { started_at: null }), T), null);
});

test("its steps are bars, the one that runs until now, and a late one is told", () => {
  const one = host("a", {
    state: "running",
    ended_at: null,
    steps: new Map([step("stage", 0, 40), step("switch", 40, null, { state: "running" })]),
  });
  const usual = new Map([
    ["stage", { p50: 8, p95: 12 }],
    ["switch", { p50: 20, p95: 30 }],
  ]);
  const found = segments(one, STEPS, { now: T + 50_000, usual });
  assert.deepEqual(
    found.map(({ step, place, from, to, late }) => [step, place, from - T, to - T, late]),
    [
      ["stage", 0, 0, 40_000, true],
      ["switch", 1, 40_000, 50_000, false],
    ],
  );
});

test("of a host of which nobody hears the bar ends when it was heard of, and the rest is unknown", () => {
  const away = host("a", {
    state: "running",
    shown: "unreachable",
    ended_at: null,
    heard_at: at(30),
    steps: new Map([step("stage", 0, 20), step("switch", 20, null, { state: "running" })]),
  });
  assert.deepEqual(passage(away, T + 90_000), { from: T, to: T + 30_000, until: T + 90_000 });
  const [first, last] = segments(away, STEPS, { now: T + 90_000, usual: new Map() });
  assert.deepEqual([first.to - T, first.unheard], [20_000, false]);
  assert.deepEqual([last.to - T, last.seconds, last.unheard], [30_000, 10, true]);
  const unknown = { ...away, state: "unknown", shown: "unknown", steps: new Map([step("switch", 20, 60, { state: "lost" })]) };
  assert.equal(segments(unknown, STEPS, { now: T + 90_000, usual: new Map() })[0].to - T, 30_000);
  assert.equal(passage({ ...unknown, heard_at: null }, T + 90_000).to, T, "nothing was ever heard of it");
});

test("hosts are sorted by when they began, how long they took, how badly they stand, or one step", () => {
  const hosts = [
    host("eu-10", { started_at: at(3), ended_at: at(10) }),
    host("eu-9", {
      started_at: at(2),
      ended_at: at(90),
      shown: "failed",
      steps: new Map([step("stage", 2, 5)]),
    }),
    host("eu-8", { started_at: at(4), ended_at: at(20), steps: new Map([step("stage", 4, 12)]) }),
    host("eu-1", { started_at: null, ended_at: null }),
  ];
  const names = (by) =>
    sorted(hosts, by, T)
      .map(({ name }) => name)
      .join();
  assert.equal(names("start"), "eu-9,eu-10,eu-8,eu-1");
  assert.equal(names("longest"), "eu-9,eu-8,eu-10,eu-1");
  assert.equal(names("worst"), "eu-9,eu-8,eu-10,eu-1");
  assert.equal(names("name"), "eu-8,eu-9,eu-10,eu-1");
  assert.equal(names("step:stage"), "eu-8,eu-9,eu-10,eu-1");
});

test("the clock's scale holds all, and one of its own beginning cuts the few that took for ever", () => {
  const hosts = [
    ...Array.from({ length: 99 }, (_, i) =>
      host(`eu-${i}`, { started_at: at(i), ended_at: at(i + 10) }),
    ),
    host("stuck", { ended_at: at(3600) }),
  ];
  const job = { started_at: at(-5), ended_at: at(3600) };
  assert.deepEqual(scale(hosts, { job, aligned: false, now: T }), {
    from: T - 5000,
    span: 3_605_000,
  });
  assert.deepEqual(scale(hosts, { job, aligned: true, now: T }), { from: 0, span: 20_000 });
});

test("marks stand at round times, and are never too many", () => {
  assert.deepEqual(
    marks({ from: 0, span: 65_000 }, 8, { aligned: true }).map((ms) => ms / 1000),
    [0, 10, 20, 30, 40, 50, 60],
  );
  const [first] = marks({ from: T + 61_000, span: 600_000 }, 10, { aligned: false });
  assert.equal((T + 61_000 + first) % 60_000, 0);
});

test("only rows in view and a few around them are drawn, however many there are", () => {
  assert.deepEqual(inView(2200, 220, { row: 22, count: 5000 }), { from: 92, to: 118 });
  assert.deepEqual(inView(0, 220, { row: 22, count: 3 }), { from: 0, to: 3 });
  assert.deepEqual(inView(9_000_000, 220, { row: 22, count: 10 }).to, 10);
});
