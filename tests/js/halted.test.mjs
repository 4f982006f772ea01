import assert from "node:assert/strict";
import { test } from "node:test";

import { beyond } from "../../webapp/static/js/halted.js";

const none = { failing: 3, gates: new Map(), budgets: new Map() };

test("what the verdict counts is not said again, also after the limit was changed", () => {
  const reason = "3 hosts failed, at most 2 may";
  assert.equal(beyond({ reason, limit: 2 }, none), "");
  assert.equal(beyond({ reason, limit: 1 }, none), "");
  assert.equal(beyond({ reason: `${reason}; not rolled back: busy`, limit: 1 }, none), "not rolled back: busy");
  assert.equal(beyond({ reason, limit: 9 }, none), reason, "else nothing would say why it halted");
  const told = "3 had failed when it halted; 2 that were under way have failed since";
  assert.equal(beyond({ reason, limit: 1 }, { ...none, failing: 5 }), told);
});

test("how many of a batch may fail is told as it is now", () => {
  const reason = "1 host of batch 2 failed, at most 0 may; it is rolled back";
  const budgets = new Map([[2, { job: 9, batch: 4 }]]);
  assert.equal(beyond({ reason, limit: 9 }, { ...none, budgets }), "1 host of batch 2 failed, at most 4 may; it is rolled back");
  assert.equal(beyond({ reason, limit: 9 }, none), reason);
});

test("where a person is waited for stands in the verdict", () => {
  const gates = new Map([[1, {}]]);
  const reason = "batch 1 is done; the next one waits to be promoted; paused by mira";
  assert.equal(beyond({ reason, limit: null }, { ...none, gates }), "paused by mira");
});
