import assert from "node:assert/strict";
import { test } from "node:test";

import { finder } from "../../webapp/static/js/finding.js";

const HOSTS = [
  { name: "eu-1", address: "192.0.2.1", labels: { region: "eu", shard: 7 } },
  { name: "eu-10", address: "192.0.2.10", labels: { region: "eu" } },
  { name: "us-1", address: null, labels: null },
];

function found(text) {
  const finds = finder(text, (name) => HOSTS.some((host) => host.name === name));
  return finds && HOSTS.filter(finds).map(({ name }) => name);
}

test("every word is in the name, the address or a label, however it is written", () => {
  assert.deepEqual(found("EU-1"), ["eu-1", "eu-10"]);
  assert.deepEqual(found("0.2.10"), ["eu-10"]);
  assert.deepEqual(found("shard=7 eu"), ["eu-1"]);
  assert.deepEqual(found("eu us"), []);
});

test("a list of names is those hosts, and no host whose name begins alike", () => {
  assert.deepEqual(found("us-1,eu-1"), ["eu-1", "us-1"]);
  assert.deepEqual(found("us-1 eu-1"), ["eu-1", "us-1"]);
  assert.deepEqual(found("eu-1, gone-3"), ["eu-1"]);
});

test("no word asks for nothing", () => {
  for (const text of ["", "  ", ","]) assert.equal(found(text), null);
});
