import assert from "node:assert/strict";
import { test } from "node:test";

import { towards } from "../../webapp/static/js/lattice.js";

// 0
//
// 1 2 3 4
// 5 6
//
// 7 8 9
const GROUPS = [
  { first: 0, size: 1 },
  { first: 1, size: 6 },
  { first: 7, size: 3 },
];

for (const [key, from, to] of [
  ["ArrowRight", 4, 5],
  ["ArrowRight", 6, 7],
  ["ArrowRight", 9, undefined],
  ["ArrowLeft", 0, undefined],
  ["ArrowLeft", 7, 6],
  ["Home", 8, 0],
  ["End", 2, 9],
  ["ArrowDown", 0, 1],
  ["ArrowDown", 1, 5],
  ["ArrowDown", 4, 6],
  ["ArrowDown", 6, 8],
  ["ArrowDown", 8, undefined],
  ["ArrowUp", 9, 6],
  ["ArrowUp", 5, 1],
  ["ArrowUp", 3, 0],
  ["ArrowUp", 0, undefined],
  ["Tab", 3, undefined],
])
  test(`${key} leads from ${from} to ${to ?? "nowhere"}`, () => {
    assert.equal(towards(key, from, GROUPS, 4), to);
  });
