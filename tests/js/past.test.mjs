import assert from "node:assert/strict";
import { test } from "node:test";

import { Past } from "../../webapp/static/js/past.js";
import { Transcript } from "../../webapp/static/js/transcript.js";
import { settled } from "./scripted.mjs";

const AT = "2026-11-21T02:00:00.000Z";

function output(s, text, o = 0) {
  return { s, h: "eu-1", k: "output", step: "unpack", n: 1, o, d: text, at: AT };
}

/** A pane that was just opened; `answers` are what the server says, in turn. */
function open(context, ...answers) {
  const asked = [];
  context.mock.method(globalThis, "fetch", async (url) => {
    asked.push(String(url));
    return { ok: true, status: 200, json: async () => answers.shift() };
  });
  const story = new Transcript("eu-1");
  let tell;
  const present = new Promise((resolve) => (tell = resolve));
  const past = new Past(story, { url: "/hosts/eu-1", present, onRead: () => {} });
  return { story, past, asked, tell };
}

const list = {
  as_of_seq: 4,
  attempts: [{ step: "unpack", n: 1, kind: "do", state: "running", rc: null, reason: "", seconds: null, at: AT, bytes: 9 }],
};
const texts = (story) => story.attempts[0].printed.lines.map(({ text }) => text);

test("what fell between the answer and the socket's first word is read again", async (context) => {
  const { story, past, asked, tell } = open(
    context,
    list,
    { events: [output(3, "a\n")], start: 0, as_of_seq: 4 },
    { events: [output(3, "a\n"), output(5, "b\n", 2)], start: 0, as_of_seq: 7 },
  );
  await past.attempts();
  const reading = past.output(story.attempts[0]);
  await settled();
  assert.deepEqual(texts(story), ["a"], "it shows before the socket has said a word");
  story.addLive([output(8, "c\n", 4)]);
  tell(7);
  await reading;
  assert.equal(asked.filter((url) => url.includes("/output?")).length, 2);
  assert.deepEqual(texts(story), ["a", "b", "c"]);
});

test("where nothing fell between, one answer is enough", async (context) => {
  const { story, past, asked, tell } = open(context, list, {
    events: [output(3, "a\n")],
    start: 0,
    as_of_seq: 4,
  });
  await past.attempts();
  tell(5);
  await past.output(story.attempts[0]);
  story.addLive([output(5, "b\n", 2)]);
  assert.deepEqual(texts(story), ["a", "b"]);
  assert.match(asked[1], /^\/hosts\/eu-1\/output\?step=unpack&attempt=1&kind=do&limit=\d+$/);
  assert.equal(asked.length, 2);
});

test("the end is shown first, then counted, and lines before it are read as they come into view", async (context) => {
  const { story, past, asked, tell } = open(
    context,
    list,
    { events: [output(4, "c\n", 4)], start: 4, as_of_seq: 4 },
    { first: 1, total: 3, number: 3, colours: "", lines: [] },
    { first: 1, total: 3, number: null, colours: "", lines: ["a", "b", "c"].map((text) => ({ text, at: AT, cut: 0 })) },
  );
  await past.attempts();
  tell(1);
  const [attempt] = story.attempts;
  await past.output(attempt);
  assert.match(asked[2], /\/lines\?step=unpack&attempt=1&kind=do&count=0&offset=4$/);
  assert.deepEqual([attempt.low, attempt.lineAt(-2)], [-2, null]);
  const reading = past.lines(attempt, attempt.missing(-2, 1));
  await past.lines(attempt, attempt.missing(-2, 1));
  await reading;
  assert.equal(asked.length, 4, "what is on its way is not asked for again");
  assert.match(asked[3], /first=1&count=\d+$/);
  assert.deepEqual([-2, -1, 0].map((place) => attempt.lineAt(place).text), ["a", "b", "c"]);
});

test("an answer that comes after another host was chosen changes nothing", async (context) => {
  const { story, past } = open(context, list);
  const reading = past.attempts();
  past.close();
  await reading;
  assert.equal(story.to, null);
});
