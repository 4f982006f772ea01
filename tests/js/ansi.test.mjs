import assert from "node:assert/strict";
import { test } from "node:test";

import { PLAIN, bare, marked, parse, spelledOut, styleAfter } from "../../webapp/static/js/ansi.js";

const E = "\x1b[";

test("colours and weight become classes", () => {
  assert.deepEqual(parse(`${E}31mred${E}0m and ${E}1;32mbold green`).pieces, [
    { text: "red", classes: "a-red" },
    { text: " and ", classes: "" },
    { text: "bold green", classes: "a-b a-green" },
  ]);
});

test("a style goes on into the next line", () => {
  const { style } = parse(`${E}33mwarn`);
  assert.deepEqual(parse("still yellow", style).pieces, [
    { text: "still yellow", classes: "a-yellow" },
  ]);
  assert.deepEqual(styleAfter(`${E}33mwarn`), style);
  assert.deepEqual(styleAfter(`x${E}m`, style), PLAIN);
});

test("an extended colour swallows its own parameters", () => {
  assert.deepEqual(parse(`${E}38;5;1mx`).pieces, [{ text: "x", classes: "a-red" }]);
  assert.deepEqual(parse(`${E}38;5;196;4mx`).pieces, [{ text: "x", classes: "a-u" }]);
  assert.deepEqual(parse(`${E}38;2;1;4;3mx`).pieces, [{ text: "x", classes: "" }]);
  assert.deepEqual(parse(`${E}48;5;4mx`).pieces, [{ text: "x", classes: "" }]);
});

test("whatever else a terminal would obey is spelled out", () => {
  assert.equal(parse("\x1b]0;title\x07").pieces[0].text, "\\x1b]0;title\\x07");
  assert.equal(parse("\x1b]8;;http://x\x1b\\link").pieces[0].text, "\\x1b]8;;http://x\\x1b\\link");
  assert.equal(parse(`${E}2J${E}10;10H`).pieces[0].text, "\\x1b[2J\\x1b[10;10H");
  assert.equal(
    spelledOut("a\u202eb\u2066c\u200bd\x9be\x7f"),
    "a\\u202eb\\u2066c\\u200bd\\x9be\\x7f",
  );
  assert.equal(spelledOut("a\tb"), "a\tb");
});

test("a carriage return shows unless it ends the line", () => {
  assert.equal(parse("10%\r20%\r").pieces[0].text, "10%\\x0d20%");
  assert.deepEqual(parse("\r").pieces, []);
});

test("hostile input takes linear time", () => {
  // The processor's own time, the best of some: a busy machine takes no part in it.
  const cost = (text) => {
    const spent = [1, 2, 3].map(() => {
      const begun = process.cpuUsage().user;
      parse(text);
      styleAfter(text);
      return process.cpuUsage().user - begun;
    });
    return Math.max(2000, Math.min(...spent));
  };
  // Eight times the length: eight times the work, where one that looks back takes 64 times.
  for (const unit of ["\x1b[", "\x1b[1;", "\x1b[38;", "\x1b[31m", "\x1b]", "1;1;1;"]) {
    const [small, large] = [cost(unit.repeat(20_000)), cost(unit.repeat(160_000))];
    assert.ok(large < 32 * small, `${JSON.stringify(unit)}: ${small} µs, then ${large} µs`);
  }
  const [small, large] = [60_000, 480_000].map((n) => cost(`${E}${"1;".repeat(n)}m`));
  assert.ok(large < 32 * small, `one long colour: ${small} µs, then ${large} µs`);
});

test("a text is marked wherever it is, whatever its case", () => {
  assert.deepEqual(marked("Port, port", "port"), [["Port", true], [", ", false], ["port", true]]);
  assert.deepEqual(marked("none", "port"), [["none", false]]);
  assert.deepEqual(marked("İstanbul port", "port"), [["İstanbul port", false]]);
});

test("a line is compared without its colours", () => {
  assert.equal(bare(" \x1b[31mFailed\x1b[0m to\tbind\x07"), "Failed to\tbind");
});
