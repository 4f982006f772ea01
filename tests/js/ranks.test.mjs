import assert from "node:assert/strict";
import { test } from "node:test";

import { arranged } from "../../webapp/static/js/ranks.js";

const STATES = { a: "succeeded", b: "failed", c: "running", d: "unknown", e: "rolled_back" };
const NAMES = Object.keys(STATES);
const stateOf = (name) => STATES[name];

test("hosts that failed come first, then those that nobody knows, and else the order of the job", () => {
  assert.deepEqual(arranged(NAMES, stateOf), ["b", "e", "d", "a", "c"]);
});

test("while one is at them rows stay where they are, and what is new comes behind them", () => {
  assert.deepEqual(arranged(NAMES, stateOf, ["a", "c", "gone", "b"]), ["a", "c", "b", "e", "d"]);
});
