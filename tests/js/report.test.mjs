import assert from "node:assert/strict";
import { test } from "node:test";

import { goesOn, left, report } from "../../webapp/static/js/report.js";

const about = { said: "3 of 9 updated, 3 failed.", url: "https://patch.example/jobs/3/" };

test("what broke is told as text: how many hosts, why, in which step, which, and a line", () => {
  const full = {
    step: "unpack",
    cause: "No space left on device",
    sample: "tar: \u001b]0;a.jar: No space left on device",
    hosts: [{ name: "eu-1", down: true }, { name: "eu-2", left_at: "1.0" }],
  };
  const odd = { step: null, cause: "… is odd", sample: "eu-3 is odd", hosts: [{ name: "eu-3" }] };
  const told = report({ ...about, causes: [full, odd], doubts: [], away: [] });
  assert.deepEqual(told.split("\n"), [
    about.said,
    about.url,
    "",
    "2 × No space left on device in “unpack”, 1 is down, 1 left at 1.0: eu-1, eu-2",
    "  tar: \\x1b]0;a.jar: No space left on device",
    "1 × eu-3 is odd: eu-3",
  ]);
});

test("who does not answer stands apart from what failed", () => {
  const doubts = [{ step: "stop", hosts: [{ name: "eu-4" }] }];
  const told = report({ ...about, causes: [], doubts, away: [{ name: "eu-5" }, { name: "eu-6" }] });
  assert.deepEqual(told.split("\n").slice(3), [
    "1 × Nobody knows how “stop” ended, not counted as failed: eu-4",
    "2 × Out of reach, not counted as failed: eu-5, eu-6",
  ]);
});

test("hosts that failed tell at which versions they were left, those that nobody knows apart", () => {
  const at = (...versions) => versions.map((version) => ({ left_at: version }));
  assert.equal(left(at(null)), "");
  assert.equal(left(at("1.1", "1.0", null, "1.0")), "2 left at 1.0, 1 left at 1.1");
  assert.equal(left(at("1.0", "1.0", "1.1", "1.2", "1.3")), "2 left at 1.0, 1 left at 1.1 and 2 more");
});

test("from where hosts go on is said once where it holds for all, else counted", () => {
  const at = (...steps) => steps.map((again) => ({ again }));
  assert.equal(goesOn(at("stop", "stop")), "from “stop”");
  assert.equal(goesOn(at("stop", "start", "start")), "2 from “start”, 1 from “stop”");
  assert.equal(goesOn(at(null)), "from the check of the version at the end");
});
