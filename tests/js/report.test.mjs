import assert from "node:assert/strict";
import { test } from "node:test";

import { report } from "../../webapp/static/js/report.js";

const about = { said: "3 of 9 updated, 3 failed.", url: "https://patch.example/jobs/3/" };

test("what broke is told as text: how many hosts, why, in which step, which, and a line", () => {
  const full = {
    step: "unpack",
    cause: "No space left on device",
    sample: "tar: \u001b]0;a.jar: No space left on device",
    hosts: [{ name: "eu-1", down: true }, { name: "eu-2" }],
  };
  const odd = { step: null, cause: "… is odd", sample: "eu-3 is odd", hosts: [{ name: "eu-3" }] };
  const told = report({ ...about, causes: [full, odd], doubts: [], away: [] });
  assert.deepEqual(told.split("\n"), [
    about.said,
    about.url,
    "",
    "2 × No space left on device in “unpack”, 1 is down: eu-1, eu-2",
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
