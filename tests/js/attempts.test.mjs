import assert from "node:assert/strict";
import { test } from "node:test";

import { broken } from "../../webapp/static/js/attempts.js";

const attempts = (...told) =>
  told.map((words) => {
    const [step, state, kind = "do"] = words.split(" ");
    return { step, state, kind };
  });

test("one reads the failure with which it began, and not the undo that failed behind it", () => {
  const all = attempts("migrate succeeded", "start failed", "start succeeded undo", "migrate failed undo");
  assert.equal(broken(all), all[1]);
});

test("one reads the undo that failed where all had gone well before, or was done again", () => {
  for (const told of [
    ["migrate succeeded", "start succeeded", "migrate failed undo"],
    ["start failed", "start succeeded", "migrate failed undo"],
    ["migrate failed undo"],
  ]) {
    const all = attempts(...told);
    assert.equal(broken(all), all.at(-1));
  }
});

test("one reads the last that failed, and nothing where none did", () => {
  const all = attempts("stage failed", "stage failed", "unpack lost", "tidy succeeded");
  assert.equal(broken(all), all[2]);
  assert.equal(broken(attempts("stage succeeded")), undefined);
});
