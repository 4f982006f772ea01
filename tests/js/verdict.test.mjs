import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { verdict } from "../../webapp/static/js/verdict.js";

const cases = JSON.parse(readFileSync(new URL("../verdict_cases.json", import.meta.url), "utf8"));

for (const { name, job, batches, now, sentence, ...situation } of cases) {
  test(`the page says the same as the server: ${name}`, () => {
    assert.equal(verdict(job, batches, { ...situation, now: Date.parse(now) }), sentence);
  });
}

test("those that are slow are not told beside all that run", () => {
  const job = { state: "halted", cancelled: false, created_at: "2026-11-21T02:00:00.000Z" };
  const batches = [{ n: 1, counts: { failed: 1, running: 20 } }];
  const said = verdict(job, batches, { limit: 0, slow: 20 });
  assert.equal(said, "Halted in batch 1 of 1: 0 of 21 updated, 1 failed (limit 0), 20 running.");
});
