import assert from "node:assert/strict";
import { test } from "node:test";

import { around, room } from "../../webapp/static/js/lines.js";

test("what is in view is in the page, and some more on both sides, but nothing that is not there", () => {
  assert.deepEqual(around(500, 40, { low: 0, end: 1000 }), { from: 440, to: 600 });
  assert.deepEqual(around(10, 40, { low: 0, end: 1000 }), { from: 0, to: 110 });
  assert.deepEqual(around(990, 40, { low: 0, end: 1000 }), { from: 900, to: 1000 });
  assert.deepEqual(around(-7, 40, { low: -7, end: -2 }), { from: -7, to: -2 });
});

test("however many lines there are, a browser can lay them out", () => {
  assert.equal(room(1000, 19), 19);
  assert.ok(room(50_000_000, 19) * 50_000_000 <= 8e6);
});
