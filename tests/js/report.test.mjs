import assert from "node:assert/strict";
import { test } from "node:test";

import { goesOn, left, notUndone, report, stoppedAt, then, unlike } from "../../webapp/static/js/report.js";

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

test("a line that all have printed alike is told as it is, and not once more", () => {
  const cause = {
    step: "health",
    cause: "server reports …, want …",
    told: "server reports 7.1, want 7.2",
    sample: "14:47:15 INFO server reports 7.1, want 7.2",
    hosts: [{ name: "eu-1" }, { name: "eu-2" }],
  };
  assert.deepEqual(report({ ...about, causes: [cause], doubts: [], away: [] }).split("\n").slice(3), [
    "2 × server reports 7.1, want 7.2 in “health”: eu-1, eu-2",
  ]);
});

test("who does not answer stands apart from what failed", () => {
  const killed = { state: "unknown", reason: "whether step “stop” ran to its end is not known: it was killed" };
  const doubts = [{ step: "stop", hosts: [{ name: "eu-4", ...killed }] }];
  const away = [{ hosts: [{ name: "eu-5" }, { name: "eu-6" }] }];
  const told = report({ ...about, causes: [], doubts, away });
  assert.deepEqual(told.split("\n").slice(3), [
    "1 × Nobody knows how “stop” ended, not counted as failed: eu-4",
    "  it was killed",
    "2 × Out of reach, not counted as failed: eu-5, eu-6",
  ]);
});

test("what another step told stands with the step that failed, and with the undo that failed", () => {
  const undo = { step: "migrate", line: "a view depends on it", by_hand: ["migrate", "stop"] };
  const cause = {
    step: "health",
    found_in: "start",
    cause: "error: no library",
    sample: "error: no library",
    sign: "Connection refused",
    hosts: [{ name: "eu-1", undo }, { name: "eu-2", undo: null }],
  };
  assert.deepEqual(report({ ...about, causes: [cause], doubts: [], away: [] }).split("\n").slice(3), [
    "2 × error: no library in “start”: eu-1, eu-2",
    "  “start” ended well; then “health”: Connection refused",
    "  then the undo of “migrate” failed on 1 host: a view depends on it; left to undo by hand: migrate, stop",
  ]);
  assert.equal(then({ ...cause, step: null }), "“start” ended well; then: Connection refused");
  assert.equal(then({ ...cause, found_in: "health", sign: "" }), "");
  assert.deepEqual(notUndone([{ undo: { ...undo, by_hand: [] } }]), [
    "then the undo of “migrate” failed: a view depends on it",
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

test("whose cause stands in an earlier step goes on from there, unless one asks otherwise", () => {
  const hosts = [{ again: "health", back_to: "start" }, { again: null, back_to: "start" }, { again: "health", back_to: null }];
  assert.equal(goesOn(hosts.slice(0, 2)), "from “start”");
  assert.equal(goesOn(hosts), "2 from “start”, 1 from “health”");
  assert.equal(stoppedAt(hosts), "2 from “health”, 1 from the check of the version at the end");
});

test("how hosts are unlike those that are well is told, and where it shows", () => {
  const apart = { step: "switch", host: "eu-1", n: 1, line: 2, printed: [], lacks: [], skipped: false, seconds: null, usual: null, hosts: 3, of: 3 };
  const [linked, inside] = ["'current' -> 'releases/7'", "'current/7' -> 'releases/7'"];
  const said = (...differs) => unlike({ hosts: [], differs: differs.map((one) => ({ ...apart, ...one })) }).map((one) => one.said);
  assert.deepEqual(said({ printed: [inside], lacks: [linked] }, { lacks: [linked], hosts: 2 }, { printed: ["\u001b]0;x"] }), [
    `Unlike hosts that are well: in “switch” it printed “${inside}”, not “${linked}”`,
    `2 of 3 compared are unlike hosts that are well: in “switch” it did not print “${linked}”`,
    "Unlike hosts that are well: in “switch” it printed “\\x1b]0;x”",
  ]);
  assert.deepEqual(said({ skipped: true }, { seconds: 0.5, usual: 41, lacks: ["ok"] }), [
    "Unlike hosts that are well: “switch” was done already, and did not run",
    "Unlike hosts that are well: in “switch” it did not print “ok”; “switch” took 0.5 s, there 41 s",
  ]);
  assert.deepEqual(unlike({ hosts: [], differs: [apart] })[0].at, { host: "eu-1", step: "switch", n: 1, kind: "do", line: 2 });
  assert.deepEqual(unlike({ hosts: [] }), []);
  const cause = { step: "health", cause: "no", sample: "no", hosts: [{ name: "eu-1" }], differs: [{ ...apart, lacks: ["ok"] }] };
  const told = report({ ...about, causes: [cause], doubts: [], away: [] }).split("\n");
  assert.equal(told[4], "  Unlike hosts that are well: in “switch” it did not print “ok”");
});

test("what is so of all that failed, and of no host that is well, is told first", () => {
  const shared = [
    { fact: "label", name: "region", value: "eu" },
    { fact: "machine", name: "", value: "m-3" },
    { fact: "previous", name: "", value: "1.20" },
    { fact: "variable", name: "root", value: "/srv/b" },
  ];
  const hosts = [{ name: "eu-1" }, { name: "eu-2" }, { name: "eu-3" }];
  assert.deepEqual(unlike({ hosts, shared }), [
    {
      said: "All 3, and no host that is well: label region=eu, on machine m-3, at 1.20 before, variable root=/srv/b",
      at: null,
    },
  ]);
});
