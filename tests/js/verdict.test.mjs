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
