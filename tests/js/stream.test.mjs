import assert from "node:assert/strict";
import { test } from "node:test";

import { JobStream } from "../../webapp/static/js/stream.js";
import { Clock, Server, item, range, settled } from "./scripted.mjs";

function start(options = {}) {
  const clock = new Clock();
  const server = new Server(clock);
  const seen = { items: [], links: [], ends: [], welcomes: [], resets: 0, behinds: 0 };
  const stream = new JobStream({
    url: "ws://here/ws/jobs/1/",
    eventsUrl: "/api/v1/jobs/1/events",
    WebSocketClass: server.Socket,
    fetch: server.fetch,
    clock,
    onItems: (items) => seen.items.push(...items.map(({ s }) => s)),
    onLink: (link) => seen.links.push(link),
    onWelcome: (frame) => seen.welcomes.push(frame),
    onBehind: () => { seen.behinds += 1; },
    onEnd: (end) => seen.ends.push(end),
    onReset: () => { seen.resets += 1; seen.items = []; },
    ...options,
  });
  return { clock, server, seen, stream };
}

function states(seen) {
  return seen.links.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1]);
}

function upTo(n) {
  return Array.from({ length: n }, (_, i) => i + 1);
}

test("it says hello with what it knows and wants, and hands on the welcome", async () => {
  const { server, seen } = start({ after: 7, output: ["eu-1"] });
  await server.open({ last: 7 });
  assert.equal(server.socket.protocol, "patchwave.v1");
  assert.deepEqual(server.socket.heard, [
    { t: "hello", after: 7, output: ["eu-1"], stay: true },
    { t: "ping" },
  ]);
  assert.equal(seen.welcomes[0].job.id, 1);
  assert.deepEqual(states(seen), ["connecting", "live"]);
});

test("a page's own address leads to the socket beside it", async (context) => {
  globalThis.location = { href: "https://here.example/jobs/1/" };
  context.after(() => delete globalThis.location);
  const { server } = start({ url: "/ws/jobs/1/" });
  await settled();
  assert.equal(server.socket.url, "wss://here.example/ws/jobs/1/");
});

test("items come once and in order, and the link tells how far", async () => {
  const { server, seen, stream } = start();
  await server.open();
  await server.batch(1, 2);
  await server.batch(3, 5, [item(4)].concat(range(5, 5), range(3, 3)).sort((a, b) => a.s - b.s));
  assert.deepEqual(seen.items, upTo(5));
  assert.deepEqual(stream.link, { state: "live", gaps: 0, doubles: 0, lag_ms: stream.link.lag_ms, at_seq: 5, last_seq: 5 });
});

test("a batch that leaves filtered items out is whole", async () => {
  const { server, seen, stream } = start({ output: ["eu-1"] });
  await server.open();
  await server.batch(1, 9, [item(4)]);
  assert.deepEqual([seen.items, stream.link.gaps, stream.link.at_seq], [[4], 0, 9]);
});

test("what came twice is dropped and counted", async () => {
  const { server, seen, stream } = start();
  await server.open();
  await server.batch(1, 3);
  await server.batch(2, 5);
  await server.batch(1, 2);
  assert.deepEqual(seen.items, upTo(5));
  assert.deepEqual([stream.link.doubles, stream.link.gaps], [4, 0]);
});

test("a hole is counted, and it comes again after the last whole event", async () => {
  const { clock, server, seen, stream } = start();
  await server.open();
  await server.batch(1, 3);
  const first = server.socket;
  await server.batch(5, 6);
  assert.ok(first.closed);
  assert.equal(stream.link.gaps, 1);
  await clock.pass(1000);
  await server.open({ last: 6 });
  assert.equal(server.heard("hello")[0].after, 3);
  await server.batch(4, 6);
  assert.deepEqual(seen.items, upTo(6));
});

test("an item that is missing inside a batch is a hole as well", async () => {
  const { server, stream } = start();
  await server.open();
  await server.batch(1, 3, [item(1), item(3)]);
  assert.deepEqual([stream.link.gaps, stream.link.at_seq], [1, 0]);
});

test("a hole that the server's story really has does not stop it for ever", async () => {
  const { clock, server, seen, stream } = start();
  await server.open();
  await server.batch(3, 4);
  await clock.pass(1000);
  await server.open();
  await server.batch(3, 4);
  assert.deepEqual([seen.items, stream.link.gaps], [[3, 4], 1]);
});

test("much is acknowledged at once, little after a second", async () => {
  const { clock, server } = start();
  await server.open();
  await server.batch(1, 1, [item(1, { d: "x".repeat(20_000) })]);
  assert.deepEqual(server.heard("ack"), [{ t: "ack", seq: 1 }]);
  await server.batch(2, 2);
  await server.batch(3, 3);
  assert.equal(server.heard("ack").length, 1);
  await clock.pass(1000);
  assert.deepEqual(server.heard("ack").at(-1), { t: "ack", seq: 3 });
});

test("quiet is broken by a ping, and no answer is a broken line", async () => {
  const { clock, server } = start();
  await server.open();
  await server.say({ t: "pong" });
  await clock.pass(10_000);
  assert.equal(server.heard("ping").length, 2);
  await server.say({ t: "pong" });
  await clock.pass(10_000);
  assert.equal(server.heard("ping").length, 3);
  const silent = server.socket;
  await clock.pass(30_000);
  assert.ok(silent.closed);
  await clock.pass(1000);
  assert.equal(server.sockets.length, 2);
});

test("who does not answer is not called live, until something comes again", async () => {
  const { clock, server, seen, stream } = start();
  await server.open();
  await server.say({ t: "pong" });
  await clock.pass(13_000);
  assert.equal(stream.link.state, "silent");
  await server.batch(1, 1);
  assert.equal(stream.link.state, "live");
  await clock.pass(14_000);
  assert.equal(stream.link.state, "silent");
  await server.close(1006);
  assert.equal(stream.link.state, "reconnecting");
  await clock.pass(500);
  await server.open({ last: 1 });
  assert.deepEqual(states(seen), ["connecting", "live", "silent", "live", "silent", "reconnecting", "live"]);
});

for (const code of [1001, 1006, 1011, 1012, 4000, 4008, 4029]) {
  test(`after ${code} it comes again and goes on where it was`, async () => {
    const { clock, server, seen } = start();
    await server.open();
    await server.batch(1, 2);
    await server.close(code);
    assert.equal(seen.links.at(-1).state, "reconnecting");
    assert.equal(seen.links.at(-1).at_seq, 2);
    await clock.pass(1000);
    await server.open({ last: 3 });
    assert.equal(server.heard("hello")[0].after, 2);
    await server.batch(3, 3);
    assert.deepEqual(seen.items, upTo(3));
  });
}

for (const code of [4400, 4401, 4403, 4404]) {
  test(`after ${code} it does not come again`, async () => {
    const { clock, server, seen } = start();
    await server.open();
    await server.close(code);
    await clock.pass(600_000);
    assert.deepEqual([server.sockets.length, server.asked], [1, []]);
    assert.equal(seen.links.at(-1).state, "refused");
  });
}

test("pauses grow, with jitter, and shrink again after a good while", async () => {
  const pauses = [];
  const { clock, server } = start();
  for (let i = 0; i < 4; i += 1) {
    await server.open();
    await server.close(1006);
    const before = clock.now();
    const count = server.sockets.length;
    while (server.sockets.length === count) await clock.pass(50);
    pauses.push(clock.now() - before);
  }
  assert.deepEqual(pauses, [500, 1000, 2000, 4000]);
  await server.open();
  await clock.pass(6000);
  await server.close(1006);
  await clock.pass(500);
  assert.equal(server.sockets.length, 6);
});

test("of another epoch it knows nothing: all is forgotten, and it starts at 0", async () => {
  const { clock, server, seen } = start();
  await server.open({ epoch: "e1" });
  await server.batch(1, 3);
  await server.close(1006);
  await clock.pass(1000);
  await server.open({ epoch: "e2", last: 1 });
  assert.equal(seen.resets, 1);
  await clock.pass(2000);
  await server.open({ epoch: "e2", last: 1 });
  assert.equal(server.heard("hello")[0].after, 0);
  await server.batch(1, 1);
  assert.deepEqual([seen.items, seen.resets], [[1], 1]);
});

test("an epoch the page was made with counts as known", async () => {
  const { server, seen } = start({ after: 5, epoch: "e0" });
  await server.open({ epoch: "e1" });
  assert.equal(seen.resets, 1);
});

test("when it is behind it fetches the middle over HTTP, before what comes after it", async () => {
  const { server, seen, stream } = start({ output: ["eu-1", "eu-2"] });
  server.pages = [
    { events: range(3, 50), to: 50, last_seq: 200 },
    { events: range(51, 120), to: 120, last_seq: 200 },
  ];
  await server.open({ last: 2 });
  await server.batch(1, 2);
  const socket = server.socket;
  socket.onmessage({ data: JSON.stringify({ t: "behind", to: 100, bytes: 1 << 20 }) });
  socket.onmessage({ data: JSON.stringify({ t: "batch", from: 101, to: 102, items: range(101, 102) }) });
  await settled();
  assert.deepEqual(seen.items, upTo(102));
  assert.deepEqual(server.asked, [
    "/api/v1/jobs/1/events?after=2&host=eu-1&host=eu-2",
    "/api/v1/jobs/1/events?after=50&host=eu-1&host=eu-2",
  ]);
  assert.ok(states(seen).includes("behind"));
  assert.equal(seen.behinds, 1);
  assert.deepEqual([stream.link.state, stream.link.gaps, stream.link.doubles], ["live", 0, 0]);
  assert.ok(server.heard("ack").some(({ seq }) => seq === 50), "the server hears that we are alive");
});

test("a middle that cannot be fetched is asked of the socket again", async () => {
  const { clock, server, seen } = start();
  server.pages = [502];
  await server.open();
  await server.batch(1, 2);
  await server.say({ t: "behind", to: 9, bytes: 9 });
  await clock.pass(1000);
  await server.open({ last: 9 });
  assert.equal(server.heard("hello")[0].after, 2);
  await server.batch(3, 9);
  assert.deepEqual(seen.items, upTo(9));
});

test("catching up is told as behind until all is there", async () => {
  const { server, seen } = start();
  await server.open({ last: 4 });
  await server.batch(1, 2);
  await server.batch(3, 4);
  assert.deepEqual(states(seen), ["connecting", "behind", "live"]);
});

test("the end is told, and a retry goes on", async () => {
  const { server, seen } = start();
  await server.open();
  await server.batch(1, 1, [item(1, { k: "job", to: "failed" })]);
  await server.say({ t: "end", last: 1, state: "failed" });
  assert.deepEqual(seen.ends, [{ last: 1, state: "failed" }]);
  assert.equal(seen.links.at(-1).state, "ended");
  await server.batch(2, 2, [item(2, { k: "job", to: "running" })]);
  assert.equal(seen.links.at(-1).state, "live");
});

test("who does not stay is done at the end", async () => {
  const { clock, server, seen } = start({ stay: false });
  await server.open();
  await server.say({ t: "end", last: 0, state: "failed" });
  await server.close(1000);
  await clock.pass(600_000);
  assert.deepEqual([server.sockets.length, seen.links.at(-1).state], [1, "ended"]);
});

/** A world in which no socket opens, at its first poll. */
async function polling(pages, options = {}) {
  const world = start(options);
  world.server.pages = pages;
  for (let i = 0; i < 3; i += 1) {
    await settled();
    await world.server.close(1006);
    if (i < 2) await world.clock.pass(1000 * 2 ** i);
  }
  assert.equal(world.server.sockets.length, 3);
  return world;
}

const NOTHING = { events: [], to: 0, last_seq: 0 };

test("where no socket opens it polls, and tells so", async () => {
  const pages = [
    { events: [item(2)], to: 5, last_seq: 6 },
    { events: [item(6)], to: 6, last_seq: 6 },
    { events: [item(7)], to: 7, last_seq: 7 },
  ];
  const { clock, server, seen } = await polling(pages, { after: 1, output: "none" });
  await clock.pass(0);
  assert.deepEqual(seen.items, [2, 6]);
  await clock.pass(2000);
  assert.deepEqual(seen.items, [2, 6, 7]);
  assert.equal(seen.links.at(-1).state, "polling");
  assert.equal(server.asked[0], "/api/v1/jobs/1/events?after=1&host=");
});

test("while it polls it tries a socket now and then", async () => {
  const { clock, server, seen } = await polling([NOTHING]);
  await clock.pass(30_000);
  assert.equal(server.sockets.length, 4);
  await server.open();
  await server.batch(1, 1);
  assert.deepEqual([seen.items, seen.links.at(-1).state], [[1], "live"]);
  const polls = server.asked.length;
  await clock.pass(10_000);
  assert.equal(server.asked.length, polls);
});

test("a server that is away altogether is waited for with sockets", async () => {
  const { clock, server, seen } = await polling([new Error("no route")]);
  await clock.pass(20_000);
  assert.ok(server.sockets.length > 3);
  await server.open({ last: 1 });
  await server.batch(1, 1);
  assert.deepEqual(seen.items, [1]);
});

test("a poll that is refused ends it", async () => {
  const { clock, server, seen } = await polling([404]);
  await clock.pass(600_000);
  assert.deepEqual([server.asked.length, seen.links.at(-1).state], [1, "refused"]);
});

test("a poll tells the end as well, once", async () => {
  const { clock, seen } = await polling([{ events: [item(1, { k: "job", to: "succeeded" })], to: 1, last_seq: 1 }]);
  await clock.pass(10_000);
  assert.deepEqual(seen.ends, [{ last: 1, state: "succeeded" }]);
});

test("another host is watched from the seq the server names", async () => {
  const { server, stream } = start();
  await server.open();
  const from = stream.watch(["eu-9"]);
  assert.deepEqual(server.heard("watch"), [{ t: "watch", output: ["eu-9"] }]);
  await server.batch(1, 4);
  await server.say({ t: "watching", output: ["eu-9"], from: 5 });
  assert.equal(await from, 5);
  await server.batch(5, 9, []);
  assert.deepEqual([stream.link.gaps, stream.link.at_seq], [0, 9]);
});

test("what is wanted before the socket is open goes with the hello", async () => {
  const { server, stream } = start({ after: 3, output: "none" });
  const from = stream.watch(["eu-1"]);
  await server.open({ last: 3 });
  assert.deepEqual(server.heard("hello")[0].output, ["eu-1"]);
  assert.equal(await from, 4);
});

test("a wish that a broken socket took along is answered by the next hello", async () => {
  const { clock, server, stream } = start();
  await server.open();
  await server.batch(1, 2);
  const from = stream.watch(["eu-1"]);
  await server.close(1006);
  await clock.pass(1000);
  await server.open({ last: 2 });
  assert.deepEqual(server.heard("hello")[0].output, ["eu-1"]);
  assert.equal(await from, 3);
});

test("a wish while polling is answered with the next poll", async () => {
  const { clock, server, stream } = await polling([{ events: [], to: 7, last_seq: 7 }], { output: "none" });
  const from = stream.watch(["eu-1"]);
  await clock.pass(0);
  assert.equal(await from, 8);
  assert.equal(server.asked.at(-1), "/api/v1/jobs/1/events?after=7&host=eu-1");
});

test("the lag is measured by the server's clock, and only of what is new", async () => {
  const { clock, server, stream } = start();
  await server.open({ last: 1, now: clock.now() + 3_600_000 });
  await server.batch(1, 1, [item(1, { at: new Date(clock.now()).toISOString() })]);
  assert.equal(stream.link.lag_ms, null);
  const at = new Date(clock.now() + 3_600_000 - 40).toISOString();
  await server.batch(2, 2, [item(2, { at })]);
  assert.equal(stream.link.lag_ms, 40);
});

test("a host with a wrong clock does not change the lag", async () => {
  const { clock, server, stream } = start();
  await server.open({ last: 0 });
  const [wrong, at] = [3_600_000, -40].map((ms) => new Date(clock.now() + ms).toISOString());
  await server.batch(1, 2, [item(1, { k: "step", at: wrong }), item(2, { at })]);
  assert.equal(stream.link.lag_ms, 40);
  await server.batch(3, 3, [item(3, { k: "step", at: wrong })]);
  assert.equal(stream.link.lag_ms, 40);
});

test("a nudge tries at once what would be tried later", async () => {
  const { clock, server, stream } = start();
  await server.open();
  await server.close(1006);
  stream.nudge();
  await settled();
  assert.equal(server.sockets.length, 2);
  await server.open();
  await server.say({ t: "pong" });
  stream.nudge();
  assert.equal(server.heard("ping").length, 2);
  const silent = server.socket;
  await clock.pass(5000);
  assert.ok(silent.closed, "whoever was nudged has no patience");
});

test("the way of the welcome is counted into the lag", async () => {
  const { clock, server, stream } = start();
  await server.open();
  await clock.pass(300);
  await server.say({ t: "pong" });
  await clock.pass(10_000);
  await server.say({ t: "pong" });
  const [at, earlier] = [40, 9000].map((ms) => new Date(clock.now() - ms).toISOString());
  await server.batch(1, 2, [item(1, { at }), item(2, { at: earlier })]);
  assert.equal(stream.link.lag_ms, 190);
});

test("a line that cannot bring a whole page in time is asked for less, and more again", async () => {
  const { clock, server, seen } = start();
  const late = Object.assign(new Error("too late"), { name: "TimeoutError" });
  server.pages = [late, { events: range(1, 2), to: 2, last_seq: 9 }, { events: range(3, 9), to: 9, last_seq: 9 }];
  await server.open();
  await server.say({ t: "behind", to: 9, bytes: 9 });
  await clock.pass(1000);
  await server.open({ last: 9 });
  await server.say({ t: "behind", to: 9, bytes: 9 });
  const limits = server.asked.map((url) => new URL(url, "http://here").searchParams.get("limit"));
  assert.deepEqual(limits, [null, "131072", "262144"]);
  assert.deepEqual(seen.items, upTo(9));
});

test("a socket that never opens is given up", async () => {
  const { clock, server } = start();
  await clock.pass(0);
  await settled();
  await clock.pass(11_000);
  assert.ok(server.sockets[0].closed);
  assert.equal(server.sockets.length, 2);
});

test("frames of a later version are passed over", async () => {
  const { server, seen } = start();
  await server.open();
  await server.say({ t: "weather", sun: true });
  await server.batch(1, 1, [item(1, { k: "players", count: 3 })]);
  assert.deepEqual(seen.items, [1]);
});

test("a mistake in the page does not stop the story", async (context) => {
  context.mock.method(console, "error", () => {});
  let calls = 0;
  const { server, stream } = start({ onItems: () => { calls += 1; throw new Error("the page's"); } });
  await server.open();
  await server.batch(1, 1);
  await server.batch(2, 2);
  assert.deepEqual([calls, stream.link.at_seq, stream.link.gaps], [2, 2, 0]);
});

test("a page may close it from within", async () => {
  const { server, stream, seen } = start({ onItems: (items) => { seen.items.push(items.length); stream.close(); } });
  await server.open();
  await server.batch(1, 1, [item(1, { d: "x".repeat(20_000) })]);
  assert.deepEqual([seen.items, stream.link.state], [[1], "closed"]);
});

test("closed is closed", async () => {
  const { clock, server, stream, seen } = start();
  await server.open();
  stream.close();
  assert.ok(server.socket.closed);
  await server.batch(1, 1);
  await clock.pass(600_000);
  assert.deepEqual([seen.items, server.sockets.length, stream.link.state], [[], 1, "closed"]);
});
