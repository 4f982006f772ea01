import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

import { Clock, settled } from "./scripted.mjs";

const SOURCE = readFileSync(new URL("../../webapp/static/js/whole.js", import.meta.url), "utf8");
const WORDS = {
  until: "begun", healthz: "/healthz", again: "again in … s", away: "away, … s", left: "left", reload: "Reload",
};

/** A tab that loads a page, again and again; what it remembers stays. */
class Tab {
  clock = new Clock();
  isThere = true;
  loads = 0;
  asked = [];
  #kept = new Map();

  load(said = WORDS) {
    this.loads += 1;
    this.heard = {};
    const made = () => ({ append(...parts) { this.parts = parts; }, setAttribute() {}, addEventListener() {} });
    const page = {
      AbortSignal,
      Math: Object.assign(Object.create(Math), { random: () => 0.5 }),
      addEventListener: (kind, hear) => (this.heard[kind] = hear),
      setTimeout: (work, ms) => this.clock.setTimeout(work, ms),
      location: { origin: "https://patchwave.example", reload: () => this.load(said) },
      sessionStorage: {
        getItem: (key) => this.#kept.get(key) ?? null,
        setItem: (key, value) => this.#kept.set(key, String(value)),
      },
      fetch: async () => {
        this.asked.push(this.clock.now());
        return { ok: this.isThere };
      },
      document: {
        currentScript: { dataset: said },
        createElement: made,
        querySelector: () => ({ after: (node) => (this.node = node) }),
        body: {},
      },
    };
    page.window = page;
    this.page = page;
    vm.runInNewContext(SOURCE, page);
    if (this.breaks) this.lose();
  }

  lose() {
    this.heard.error({ target: { matches: (what) => what.startsWith("script") } });
  }

  get says() {
    return this.node?.parts[0].textContent;
  }
}

test("a page whose script never comes is loaded again four times, ever later, and then left", async () => {
  const tab = new Tab();
  tab.breaks = true;
  tab.load();
  assert.equal(tab.says, "again in 3 s");
  const begun = tab.clock.now();
  await tab.clock.pass(3_600_000);
  assert.deepEqual([tab.loads, tab.says], [5, "left"]);
  assert.deepEqual(tab.asked.map((at) => (at - begun) / 1000), [3, 9, 21, 45]);
});

test("a page is not loaded again before the server answers, and is left after five minutes", async () => {
  const tab = new Tab();
  Object.assign(tab, { breaks: true, isThere: false });
  tab.load();
  await tab.clock.pass(3000);
  assert.equal(tab.says, "away, 6 s");
  await tab.clock.pass(3_600_000);
  assert.deepEqual([tab.loads, tab.asked.length, tab.says], [1, 12, "left"]);
});

test("a page that has begun counts anew, and breaks no more", async () => {
  const tab = new Tab();
  tab.load();
  tab.lose();
  await tab.clock.pass(3000);
  assert.equal(tab.loads, 2);
  tab.heard.begun();
  tab.lose();
  await tab.clock.pass(60_000);
  assert.equal(tab.loads, 2);
  tab.load();
  tab.lose();
  assert.equal(tab.says, "again in 3 s");
});

test("an exception of ours breaks a page, one of a browser's extension does not", async () => {
  const tab = new Tab();
  tab.load();
  tab.heard.error({ target: tab.page, filename: "chrome-extension://abc/x.js" });
  assert.equal(tab.says, undefined);
  tab.heard.error({ target: tab.page, filename: "https://patchwave.example/static/js/run.js" });
  assert.equal(tab.says, "again in 3 s");
});

test("an order's answer, and a page in which a person has begun to write, are left as they are", async () => {
  const tab = new Tab();
  tab.load({ ...WORDS, again: undefined });
  tab.lose();
  assert.equal(tab.says, "left");
  const other = new Tab();
  other.load();
  other.lose();
  other.heard.input();
  await other.clock.pass(60_000);
  assert.deepEqual([other.loads, other.says], [1, "left"]);
  await settled();
});
