import assert from "node:assert/strict";
import { test } from "node:test";

import { lineHash, readLine } from "../../webapp/static/js/place.js";

const LINE = { host: "eu-1", step: "health", n: 1, kind: "do", line: 287 };

test("a link to a line is short, and leads back to it", () => {
  assert.equal(lineHash(LINE), "#eu-1/health/287");
  for (const line of [LINE, { ...LINE, n: 2 }, { ...LINE, kind: "undo" }, { ...LINE, kind: "undo", n: 3 }])
    assert.deepEqual(readLine(lineHash(line)), line);
});

test("any other address points to no line", () => {
  for (const hash of ["", "#", "#main", "#eu-1/health", "#eu-1/health/x", "#a/b/c/1"])
    assert.equal(readLine(hash), null);
});
