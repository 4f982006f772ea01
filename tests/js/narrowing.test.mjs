import assert from "node:assert/strict";
import { test } from "node:test";

import { fits, narrow, ofKind } from "../../webapp/static/js/narrowing.js";

const KNOWN = {
  has: (name) => ["eu-1", "stop"].includes(name),
  steps: ["unpack", "stop"],
  kinds: ["step", "host"],
};

test("words with a name say what is wanted, and mere words are what the job knows them as", () => {
  assert.deepEqual(narrow("", KNOWN), {});
  assert.deepEqual(narrow("host:eu-1  step:unpack kind:step to:failed", KNOWN), {
    host: "eu-1",
    step: "unpack",
    kind: "step",
    to: "failed",
  });
  assert.deepEqual(narrow("eu-1 unpack failed", KNOWN), { host: "eu-1", step: "unpack", to: "failed" });
  // A host that is called like a step: its name says which.
  assert.deepEqual(narrow("stop", KNOWN), { host: "stop" });
  assert.deepEqual(narrow("step:stop", KNOWN), { step: "stop" });
});

test("a word that means nothing here is told, and not searched for", () => {
  for (const odd of ["eu-9", "host:eu-9", "step:", "colour:red", "to:Failed"])
    assert.deepEqual(narrow(`unpack ${odd}`, KNOWN), { odd });
});

test("another kind takes the place of the kind there was", () => {
  assert.equal(ofKind("kind:host eu-1", "step"), "kind:step eu-1");
  assert.equal(ofKind(" eu-1  kind:host", ""), "eu-1");
});

test("what comes live is held against the same words", () => {
  const item = { h: "eu-1", k: "step", step: "unpack", to: "failed" };
  assert.equal(fits(item, narrow("unpack failed", KNOWN)), true);
  assert.equal(fits(item, narrow("unpack to:succeeded", KNOWN)), false);
  assert.equal(fits({ k: "job", to: "failed" }, narrow("eu-1", KNOWN)), false);
});
