import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { countWrong, judgeBy, looksWrong, wrongAfter } from "../../webapp/static/js/wrong.js";

const { marks, wrong, harmless } = JSON.parse(readFileSync(new URL("../mark_cases.json", import.meta.url), "utf8"));
judgeBy(marks);

test("a line looks like an error here where it does to the server", () => {
  for (const line of wrong) assert.ok(looksWrong(line), line);
  for (const line of harmless) assert.ok(!looksWrong(line), line);
});

test("the next one behind a place is found among what is here, and all are counted", () => {
  const lines = ["ERROR a", "well", "ERROR b"].map((text) => ({ text }));
  const attempt = { printed: { lines, first: 10 } };
  assert.deepEqual([wrongAfter(attempt, -1), wrongAfter(attempt, 10), wrongAfter(attempt, 12)], [10, 12, null]);
  assert.equal(countWrong(attempt), 2);
});
