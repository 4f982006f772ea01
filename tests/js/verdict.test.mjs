import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { verdict } from "../../webapp/static/js/verdict.js";

const cases = JSON.parse(readFileSync(new URL("../verdict_cases.json", import.meta.url), "utf8"));

for (const { name, job, batches, unreachable, down, now, sentence } of cases) {
  test(`the page says the same as the server: ${name}`, () => {
    assert.equal(verdict(job, batches, { unreachable, down, now: Date.parse(now) }), sentence);
  });
}

test("while it goes it says who is slow and how long it takes, no more exactly than one can know", () => {
  const job = { state: "running", cancelled: false };
  const batches = [{ n: 1, counts: { succeeded: 1, running: 3 } }];
  const said = (left) => verdict(job, batches, { slow: 2, left });
  assert.equal(said(null), "1 of 4 updated, 3 running, 2 slow.");
  assert.equal(said(40), "1 of 4 updated, 3 running, 2 slow, less than a minute left.");
  assert.equal(said(650), "1 of 4 updated, 3 running, 2 slow, about 11 min left.");
  assert.equal(said(3 * 3600), "1 of 4 updated, 3 running, 2 slow, about 3 h left.");
});
