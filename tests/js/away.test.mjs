import assert from "node:assert/strict";
import { test } from "node:test";

import { inDoubt, outOfReach, PATIENCE } from "../../webapp/static/js/away.js";

test("hosts in doubt stand together by the step that is in doubt", () => {
  const host = (name, step, state = "unknown") => ({ name, step, state, shown: state });
  const told = inDoubt([
    host("eu-1", "stop"),
    host("eu-2", "unpack"),
    host("eu-3", "unpack"),
    host("eu-4", "unpack", "failed"),
    host("eu-5", null),
  ]);
  assert.deepEqual(
    told.map(({ step, hosts }) => [step, hosts.map(({ name }) => name)]),
    [["unpack", ["eu-2", "eu-3"]], ["stop", ["eu-1"]], ["", ["eu-5"]]],
  );
});

test("a connection that breaks is out of reach when it stays away", () => {
  const at = "2026-01-31T03:00:00.000Z";
  const now = Date.parse(at);
  const away = { name: "eu-1", state: "running", shown: "unreachable", link_at: at };
  assert.deepEqual(outOfReach([away], now + PATIENCE - 1), []);
  assert.deepEqual(outOfReach([away], now + PATIENCE), [away]);
  // Since when is not in the list: it was so before the page was opened.
  const before = { ...away, link_at: undefined };
  assert.deepEqual(outOfReach([before, { ...before, state: "unknown" }], now), [before]);
});
