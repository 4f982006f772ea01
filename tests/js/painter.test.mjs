import assert from "node:assert/strict";
import { test } from "node:test";

import { Painter, rest } from "../../webapp/static/js/painter.js";

test("a painting is followed by a rest of five times its length, and never a long one", () => {
  assert.equal(rest(5, 0), 25);
  assert.equal(rest(5, 8), 17);
  assert.equal(rest(5, 500), 0);
  assert.equal(rest(80, 0), 400);
  assert.equal(rest(300, 0), 500);
});

test("what changes before the next frame is painted together, once", async () => {
  const painted = [];
  globalThis.requestAnimationFrame = (then) => setTimeout(then, 1);
  globalThis.cancelAnimationFrame = clearTimeout;
  const done = new Promise((resolve) => {
    const painter = new Painter(({ hosts, all }) => {
      painted.push([[...hosts], all]);
      resolve();
    });
    painter.soon({ hosts: ["eu-1"] });
    painter.soon({ hosts: ["eu-2", "eu-1"] });
  });
  await done;
  await new Promise((resolve) => setTimeout(resolve, 5));
  // The first paints all there is.
  assert.deepEqual(painted, [[["eu-1", "eu-2"], true]]);
});

test("it rests after a long painting, but what somebody has pressed is painted at once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let clock = 0;
  t.mock.method(performance, "now", () => clock);
  globalThis.requestAnimationFrame = (then) => setTimeout(then, 16);
  globalThis.cancelAnimationFrame = clearTimeout;
  const painted = [];
  const painter = new Painter(({ hosts }) => {
    painted.push([...hosts]);
    clock += 30;
  });
  painter.soon({});
  t.mock.timers.tick(20);
  painter.soon({ hosts: ["eu-1"] });
  t.mock.timers.tick(16); // the first needs no rest
  painter.soon({ hosts: ["eu-2"] });
  t.mock.timers.tick(100);
  assert.deepEqual(painted, [[], ["eu-1"]]);
  painter.next({ hosts: ["eu-3"] });
  t.mock.timers.tick(16);
  assert.deepEqual(painted, [[], ["eu-1"], ["eu-2", "eu-3"]]);
});
