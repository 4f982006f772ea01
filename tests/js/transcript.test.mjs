import assert from "node:assert/strict";
import { test } from "node:test";

import { LINES_KEPT, Transcript } from "../../webapp/static/js/transcript.js";

const AT = "2026-11-21T02:00:00.000Z";

function output(s, text, { step = "unpack", n = 1, h = "eu-1" } = {}) {
  return { s, h, k: "output", step, n, o: 0, d: text, at: AT };
}

function step(s, to, more = {}) {
  return { s, h: "eu-1", k: "step", step: "unpack", n: 1, kind: "do", to, at: AT, ...more };
}

function read(items) {
  const story = new Transcript("eu-1");
  story.addPast(items, items.at(-1)?.s ?? 0);
  story.begin();
  return story;
}

const texts = (attempt) => attempt.lines.map(({ text }) => text);

test("pieces that end anywhere become whole lines", () => {
  const story = read([
    step(1, "running"),
    output(2, "one\ntw"),
    output(3, "o"),
    output(4, "\n\nfour"),
  ]);
  assert.deepEqual(texts(story.attempts[0]), ["one", "two", "", "four"]);
});

test("past and present meet without a hole and without a double", () => {
  const story = new Transcript("eu-1");
  story.addLive([output(5, "five\n"), output(6, "six\n")]);
  story.addPast([output(3, "three\n"), output(5, "five\n")], 5);
  assert.deepEqual(texts(story.attempts[0]), ["three", "five"]);
  story.begin();
  story.addLive([output(7, "seven\n")]);
  assert.deepEqual(texts(story.attempts[0]), ["three", "five", "six", "seven"]);
});

test("the output of other hosts is not mixed in", () => {
  const story = read([output(1, "mine\n")]);
  story.addLive([output(2, "theirs\n", { h: "us-9" })]);
  assert.equal(story.lineCount, 1);
});

test("each attempt has its own lines, and an undo is another attempt", () => {
  const story = read([
    step(1, "running"),
    output(2, "first\n"),
    step(3, "failed", { rc: 2, seconds: 1.5 }),
    step(4, "running", { n: 2 }),
    output(5, "second\n", { n: 2 }),
    step(6, "succeeded", { n: 2, rc: 0 }),
    step(7, "running", { kind: "undo" }),
    output(8, "undone\n"),
  ]);
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
  const story = read([output(1, "\x1b[31mred\nstill\x1b[0m\nplain\n")]);
  assert.deepEqual(
    story.attempts[0].lines.map(({ style }) => style.colour),
    ["", "a-red", ""],
  );
});

test("a host that prints without end fills neither lines nor memory", () => {
  const story = read([output(1, "x\n".repeat(100_000)), output(2, "y".repeat(1_000_000))]);
  const [attempt] = story.attempts;
  assert.ok(attempt.lines.length <= LINES_KEPT * 1.25 + 1);
  assert.equal(story.lineCount, 100_001);
  assert.ok(attempt.lines.at(-1).text.length < 10_000);
  assert.equal(attempt.lines.at(-1).text.length + attempt.lines.at(-1).cut, 1_000_000);
});

test("text before any step was told still shows", () => {
  assert.deepEqual(texts(read([output(1, "early\n")]).attempts[0]), ["early"]);
});
