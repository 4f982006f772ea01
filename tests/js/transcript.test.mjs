import assert from "node:assert/strict";
import { test } from "node:test";

import { LINES_KEPT } from "../../webapp/static/js/printed.js";
import { Transcript } from "../../webapp/static/js/transcript.js";

const AT = "2026-11-21T02:00:00.000Z";

function output(s, text, { step = "unpack", n = 1, h = "eu-1", o = 0 } = {}) {
  return { s, h, k: "output", step, n, o, d: text, at: AT };
}

function step(s, to, more = {}) {
  return { s, h: "eu-1", k: "step", step: "unpack", n: 1, kind: "do", to, at: AT, ...more };
}

function row(more = {}) {
  return { step: "unpack", n: 1, kind: "do", state: "running", rc: null, reason: "", seconds: null, at: AT, bytes: 0, ...more };
}

/** A host of which nothing was told yet; what comes is live, from the first event on. */
function live(...items) {
  const story = new Transcript("eu-1");
  story.present = 1;
  story.begin({ as_of_seq: 0, attempts: [] });
  story.addLive(items);
  return story;
}

/** An attempt that somebody opened: its end was read as it was at an event. */
function opened({ events, start = 0, as_of_seq = events.at(-1).s, bytes = 1000 }) {
  const story = new Transcript("eu-1");
  story.begin({ as_of_seq, attempts: [row({ bytes })] });
  const [attempt] = story.attempts;
  attempt.ask();
  attempt.load({ events, start, as_of_seq });
  attempt.goOn();
  return { story, attempt };
}

const texts = (attempt) => attempt.printed.lines.map(({ text }) => text);

test("pieces that end anywhere become whole lines", () => {
  const story = live(step(1, "running"), output(2, "one\ntw"), output(3, "o"), output(4, "\n\nfour"));
  assert.deepEqual(texts(story.attempts[0]), ["one", "two", "", "four"]);
});

test("the list and what came since tell how attempts stand, each event once", () => {
  const story = new Transcript("eu-1");
  story.addLive([step(5, "succeeded", { rc: 0 }), step(6, "running", { step: "stop" })]);
  assert.equal(story.attempts.length, 0);
  story.begin({ as_of_seq: 5, attempts: [row({ state: "failed", rc: 2, seconds: 1.5 })] });
  assert.deepEqual(
    story.attempts.map(({ step, state, rc }) => [step, state, rc]),
    [
      ["unpack", "failed", 2],
      ["stop", "running", null],
    ],
  );
  assert.equal(story.attempts[0].took(), 1.5);
});

test("past and present meet without a hole and without a double", () => {
  const story = new Transcript("eu-1");
  story.begin({ as_of_seq: 2, attempts: [row({ bytes: 20 })] });
  const [attempt] = story.attempts;
  attempt.ask();
  story.addLive([output(5, "five\n"), output(6, "six\n")]);
  attempt.load({ events: [output(3, "three\n"), output(5, "five\n")], start: 0, as_of_seq: 4 });
  assert.deepEqual(texts(attempt), ["three", "five"]);
  attempt.goOn();
  story.addLive([output(7, "seven\n")]);
  assert.deepEqual(texts(attempt), ["three", "five", "six", "seven"]);
});

test("what nobody looks at is counted and not kept", () => {
  const story = new Transcript("eu-1");
  story.begin({ as_of_seq: 1, attempts: [row()] });
  story.addLive([output(2, "x".repeat(50), { o: 100 })]);
  assert.deepEqual(texts(story.attempts[0]), []);
  assert.deepEqual([story.bytes, story.whole], [150, false]);
});

test("an attempt that was seen to begin needs no reading, one that may have printed before does", () => {
  const story = live(step(1, "running"));
  assert.deepEqual([story.attempts[0].asked, story.attempts[0].whole], [true, true]);
  const late = new Transcript("eu-1");
  late.begin({ as_of_seq: 0, attempts: [] });
  late.addLive([step(1, "running")]);
  assert.equal(late.attempts[0].asked, false);
});

test("the output of other hosts is not mixed in", () => {
  const story = live(step(1, "running"), output(2, "mine\n"));
  story.addLive([output(3, "theirs\n", { h: "us-9" })]);
  assert.equal(story.lineCount, 1);
});

test("each attempt has its own lines, and an undo is another attempt", () => {
  const story = live(
    step(1, "running"),
    output(2, "first\n"),
    step(3, "failed", { rc: 2, seconds: 1.5 }),
    step(4, "running", { n: 2 }),
    output(5, "second\n", { n: 2 }),
    step(6, "succeeded", { n: 2, rc: 0 }),
    step(7, "running", { kind: "undo" }),
    output(8, "undone\n"),
  );
  assert.deepEqual(
    story.attempts.map((one) => [one.n, one.kind, one.state, ...texts(one)]),
    [
      [1, "do", "failed", "first"],
      [2, "do", "succeeded", "second"],
      [1, "undo", "running", "undone"],
    ],
  );
  assert.equal(story.attempts[0].rc, 2);
  assert.equal(story.attempts[0].took(), 1.5);
});

test("a colour goes on in the next line", () => {
  const story = live(step(1, "running"), output(2, "\x1b[31mred\nstill\x1b[0m\nplain\n"));
  assert.deepEqual(
    story.attempts[0].printed.lines.map(({ style }) => style.colour),
    ["", "a-red", ""],
  );
});

test("a host that prints without end fills neither lines nor memory", () => {
  const story = live(step(1, "running"), output(2, "x\n".repeat(100_000)), output(3, "y".repeat(1_000_000)));
  const { printed } = story.attempts[0];
  assert.ok(printed.lines.length <= LINES_KEPT * 1.25 + 1);
  assert.equal(story.lineCount, 100_001);
  assert.ok(printed.lines.at(-1).text.length < 10_000);
  assert.equal(printed.lines.at(-1).text.length + printed.lines.at(-1).cut, 1_000_000);
});

test("lines from before are shown where they belong, and the half line at the seam is whole", () => {
  const { story, attempt } = opened({ events: [output(9, "ree\nfour\n", { o: 13 })], start: 13 });
  assert.deepEqual([attempt.numberOf(0), story.whole, attempt.low], [null, false, 0]);
  attempt.count(3);
  assert.deepEqual([attempt.low, attempt.numberOf(1), story.lineCount, story.whole], [-2, 4, 4, true]);
  assert.deepEqual(attempt.missing(-2, 2), { from: -2, to: 1 });
  assert.equal(attempt.lineAt(-1), null);
  const lines = ["one", "\x1b[31mtwo", "three"].map((text) => ({ text, at: AT, cut: 0 }));
  attempt.loadLines({ first: 1, colours: "\x1b[32m", lines });
  const seen = [-2, -1, 0, 1].map((place) => attempt.lineAt(place));
  assert.deepEqual(seen.map(({ text }) => text), ["one", "\x1b[31mtwo", "three", "four"]);
  assert.deepEqual(seen.slice(0, 3).map(({ style }) => style.colour), ["a-green", "a-green", "a-red"]);
  assert.equal(attempt.missing(-2, 2), null);
  story.addLive([output(10, "five\n", { o: 22 })]);
  assert.deepEqual([attempt.lineAt(2).text, attempt.numberOf(2)], ["five", 5]);
});

test("of lines read again no more are kept than of new ones", () => {
  const { attempt } = opened({ events: [output(9, "x\n", { o: 500 })], start: 500 });
  attempt.count(1_000_000);
  for (let first = 1; first < 2 * LINES_KEPT; first += 500) {
    const lines = Array.from({ length: 500 }, (_, i) => ({ text: String(first + i), at: AT, cut: 0 }));
    attempt.loadLines({ first, colours: "", lines });
  }
  assert.equal(attempt.lineAt(attempt.low), null);
  assert.equal(attempt.lineAt(attempt.low + 2 * LINES_KEPT - 1).text, String(2 * LINES_KEPT));
});

test("text before any step was told still shows once it is asked for", () => {
  const story = live(output(1, "early\n"));
  assert.equal(story.attempts[0].asked, false);
  assert.equal(story.attempts[0].step, "unpack");
});
