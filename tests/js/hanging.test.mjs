import assert from "node:assert/strict";
import { test } from "node:test";

import { roughly } from "../../webapp/static/js/hanging.js";

test("how many times as long is told no more exactly than one reads it", () => {
  assert.deepEqual([2745, 100, 99.9, 13.4, 0.2].map(roughly), [2000, 100, 90, 10, 1]);
});
