import assert from "node:assert/strict";
import { test } from "node:test";

import { countWrong, looksWrong, wrongAfter } from "../../webapp/static/js/wrong.js";

test("a line looks like an error where it names itself one, or the system says so", () => {
  for (const line of [
    "IronfrontServer: error while loading shared libraries: libssl.so.1.1: cannot open shared object file",
    "\x1b[31m[03:10:16 ERROR]:\x1b[0m Failed to bind",
    "java.net.BindException: Address already in use",
    "zstd: error 70: Disk quota exceeded",
    "FATAL main not started, status 78",
  ])
    assert.ok(looksWrong(line), line);
  for (const line of [
    "WARN terror: was not tested with this build: java.lang.Error",
    "tests: 0 errors, 0 failures",
    "fetch: content server 4 timed out, trying the next",
    "Loading ErrorReporter",
  ])
    assert.ok(!looksWrong(line), line);
});

test("the next one behind a place is found among what is here, and all are counted", () => {
  const lines = ["ERROR a", "well", "ERROR b"].map((text) => ({ text }));
  const attempt = { printed: { lines, first: 10 } };
  assert.deepEqual([wrongAfter(attempt, -1), wrongAfter(attempt, 10), wrongAfter(attempt, 12)], [10, 12, null]);
  assert.equal(countWrong(attempt), 2);
});
