import assert from "node:assert/strict";
import { test } from "node:test";

import { doubted, downSince, leadsTo, nextOf } from "../../webapp/static/js/doubt.js";

const steps = ["stop", "season", "switch", "tidy"];
const rules = { stop: { felt: true }, season: {}, switch: {}, tidy: { always: true } };

test("a step that must never be repeated is not offered again, and why is said", () => {
  const { offered, refused, said } = leadsTo({ step: "season", repeat: "never", next: "switch" }, 1);
  assert.deepEqual(offered, ["it_ran", "give_up"]);
  assert.match(refused, /“season” must never be repeated/);
  assert.match(said.it_ran, /1 host goes on with “switch”\. What it left undone stays undone/);
});

test("a step that runs again says that it does so from its beginning", () => {
  const ask = leadsTo({ step: "season", repeat: "ask" }, 2);
  assert.deepEqual(ask.offered, ["it_ran", "it_did_not_run", "give_up"]);
  assert.match(ask.said.it_did_not_run, /2 hosts, from its beginning\. What it has done already, it may do twice/);
  assert.doesNotMatch(leadsTo({ step: "season", repeat: "safe" }, 2).said.it_did_not_run, /twice/);
  assert.equal(ask.refused, "");
});

test("nothing is offered for no host", () => {
  assert.deepEqual(leadsTo({ step: "season", repeat: "ask" }, 0).offered, []);
});

test("the step that comes then is named where it is sure", () => {
  const job = { cancelled: false, rolls_back: null };
  const attempt = { kind: "do", state: "lost" };
  const next = (step, more) => nextOf(step, { steps, rules, job, attempt, ...more });
  assert.equal(next("season"), "switch");
  assert.equal(next("tidy"), "");
  assert.equal(next("season", { attempt: { ...attempt, kind: "undo" } }), "");
  assert.equal(next("season", { attempt: { ...attempt, state: "running" } }), "");
  assert.equal(next("season", { job: { ...job, cancelled: true } }), "");
});

test("the server is down since the first step that players feel", () => {
  assert.equal(downSince("season", { steps, rules }), "stop");
  assert.equal(downSince("stop", { steps, rules: { ...rules, stop: {} } }), "");
});

test("in doubt is the last attempt that was lost or may still run", () => {
  const tried = (step, n, state) => ({ step, n, state });
  const all = [tried("stop", 1, "succeeded"), tried("season", 1, "failed"), tried("season", 2, "lost")];
  assert.equal(doubted(all, "season").n, 2);
  assert.equal(doubted(all, "stop"), null);
});
