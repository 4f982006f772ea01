import assert from "node:assert/strict";
import { test } from "node:test";

import { Clue } from "../../webapp/static/js/clue.js";

const cause = { step: "health", found_in: "start", sign: "Connection refused" };
const attempts = ["start", "start", "health"].map((step, n) => ({ step, kind: n === 1 ? "undo" : "do" }));

function clue(told) {
  const button = { textContent: "", addEventListener: () => {} };
  const made = new Clue(button, { told: () => told, onTurn: () => {} });
  made.paint({ name: "eu-1", state: "failed" });
  return made;
}

test("a log opens at the cause, and turns to the sign in the step that failed, and back", () => {
  const made = clue({ cause, line: "no library" });
  assert.deepEqual([made.line, made.attempt(attempts)], ["no library", attempts[0]]);
  made.turn();
  assert.deepEqual([made.line, made.attempt(attempts)], ["Connection refused", undefined]);
  made.turn();
  assert.equal(made.line, "no library");
});

test("where the cause stands in the step that failed there is nothing to turn to", () => {
  const made = clue({ cause: { ...cause, found_in: "health", sign: "" }, line: "full" });
  assert.deepEqual([made.button.hidden, made.line, made.attempt(attempts)], [true, "full", undefined]);
  made.turn();
  assert.equal(made.line, "full");
});

test("of a host that is tried again nothing is told any more", () => {
  const made = clue({ cause, line: "no library" });
  made.paint({ name: "eu-1", state: "waiting" });
  assert.deepEqual([made.button.hidden, made.line, made.attempt(attempts)], [true, "", undefined]);
});
