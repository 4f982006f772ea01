import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, span, until } from "../../webapp/static/js/words.js";

test("a span is told as long as a person reads it, and no unit without a number", () => {
  const told = { "-1": "0 s", 59.4: "59 s", 59.6: "1 min", 61: "1 min 1 s", 300: "5 min", 3599: "59 min 59 s" };
  for (const [seconds, words] of Object.entries(told)) assert.equal(duration(Number(seconds)), words);
  assert.deepEqual([3600, 3660, 90_000].map(duration), ["1 h", "1 h 1 min", "25 h"]);
});

test("what is far off is told to the minute", () => {
  assert.deepEqual([90, 91, 310, 3599].map(until), ["1 min 30 s", "2 min", "5 min", "1 h"]);
});

test("of a step a tenth of a second counts while it is short", () => {
  assert.deepEqual([null, 0.04, 6.25, 9.96].map(span), ["", "0.0 s", "6.3 s", "10 s"]);
});
