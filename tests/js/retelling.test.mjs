import assert from "node:assert/strict";
import { test } from "node:test";

// As webapp/views/catalogue.py sends them: those with the most letters of their own come first.
globalThis.django = {
  patterns: [
    ["step\\ “([^”]+?)”\\ ended\\ with\\ exit\\ status\\ (.+?)", ["step", "status"], "步骤“%(step)s”结束，退出码 %(status)s"],
    ["jump\\ host\\ (.+?):\\ (.+?)", ["name", "failure"], "跳板机 %(name)s：%(failure)s"],
    ["connection\\ refused\\ by\\ (.+?)", ["0"], "%s 拒绝连接"],
    ["(.+?)\\ is\\ 100%\\ full", ["0"], "%s 已用 100%%"],
  ],
};
const { retold, retoldIn } = await import("../../webapp/static/js/retelling.js");

test("a stored sentence is told by the pattern it fits", () => {
  assert.equal(retold("step “health” ended with exit status 1"), "步骤“health”结束，退出码 1");
  assert.equal(retold("/srv is 100% full"), "/srv 已用 100%");
});

test("what stands in a place is told again, too", () => {
  assert.equal(retold("jump host b: connection refused by 10.0.0.1"), "跳板机 b：10.0.0.1 拒绝连接");
  assert.equal(retold("eu-1: connection refused by 10.0.0.1"), "eu-1: 10.0.0.1 拒绝连接");
});

test("what fits no pattern stays as it is", () => {
  for (const text of ["", "tar: No space left on device", "%s $& $1"]) assert.equal(retold(text), text);
  assert.equal(retold("connection refused by $& %s"), "$& %s 拒绝连接");
  assert.equal(retold(undefined), "");
});

test("of an item only what is a sentence is told again", () => {
  const item = { h: "connection refused by x", reason: "connection refused by x", error: "" };
  retoldIn(item);
  assert.deepEqual(item, { h: "connection refused by x", reason: "x 拒绝连接", error: "" });
});
