import assert from "node:assert/strict";
import { test } from "node:test";

import { inDoubt, outOfReach, PATIENCE, whyOf } from "../../webapp/static/js/away.js";

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

test("who is in doubt for another reason stands apart", () => {
  const host = (name, reason) => ({ name, address: `192.0.2.${name.at(-1)}`, step: "stop", state: "unknown", reason });
  const killed = "whether step “stop” ran to its end is not known: the runner was killed";
  const told = inDoubt([
    host("eu-1", "out of reach since a step was started: connection refused by 192.0.2.1:22"),
    host("eu-2", killed),
    host("eu-3", "out of reach since a step was started: connection refused by 192.0.2.3:50022"),
  ]);
  assert.deepEqual(
    told.map(({ why, hosts }) => [why, hosts.map(({ name }) => name)]),
    [
      ["out of reach since a step was started: connection refused by …:…", ["eu-1", "eu-3"]],
      ["the runner was killed", ["eu-2"]],
    ],
  );
  assert.equal(whyOf(told[1].hosts[0]), "the runner was killed");
});

test("a connection that breaks is out of reach when it stays away", () => {
  const at = "2026-01-31T03:00:00.000Z";
  const now = Date.parse(at);
  const away = { name: "eu-1", state: "running", shown: "unreachable", link_at: at };
  assert.deepEqual(outOfReach([away], now + PATIENCE - 1), []);
  const names = (groups) => groups.map(({ hosts }) => hosts.map(({ name }) => name));
  const other = { ...away, name: "eu-2", link_reason: "no route to host" };
  assert.deepEqual(names(outOfReach([away, other], now + PATIENCE)), [["eu-1"], ["eu-2"]]);
  // Since when is not in the list: it was so before the page was opened.
  const before = { ...away, link_at: undefined };
  assert.deepEqual(names(outOfReach([before, { ...before, state: "unknown" }], now)), [["eu-1"]]);
});
