import assert from "node:assert/strict";
import { test } from "node:test";

import { told } from "../../webapp/static/js/telling.js";

test("an event of any kind is told in one line", () => {
  const cases = [
    [{ k: "step", step: "stop", n: 1, to: "running" }, "stop: running"],
    [
      { k: "step", step: "stop", n: 2, to: "failed", rc: 3, seconds: 4.26, reason: "it said no" },
      "stop: failed, attempt 2, exit status 3, 4.3 s, it said no",
    ],
    [{ k: "step", step: "stop", kind: "undo", n: 1, to: "succeeded", rc: 0 }, "undo of stop: ended well"],
    [{ k: "step", step: "stop", n: 1, to: "lost", rc: null }, "stop: its end is not known"],
    [{ k: "host", to: "failed", error: "no room", down: true }, "failed, no room, it is down"],
    [{ k: "host", to: "queued", error: "it is ill", reason: "it is ill" }, "queued, it is ill"],
    [{ k: "host", previous: "1.0" }, "had 1.0 before"],
    [{ k: "link", to: "connected" }, "reached again"],
    [{ k: "note", text: "a word" }, "a word"],
    [
      { k: "order", who: "mira", what: "answer", answer: "it_ran", hosts: 3, note: "saw it" },
      "mira said of 3 hosts: it ran. saw it",
    ],
  ];
  for (const [item, line] of cases) assert.equal(told(item), line);
});
