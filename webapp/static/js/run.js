// The page of a job: reads the list, then follows the stream, and paints what changed once a frame.

import { Activity } from "./activity.js";
import { Causes } from "./causes.js";
import { setText } from "./dom.js";
import { Headline } from "./headline.js";
import { listen } from "./keys.js";
import { paintLink } from "./link.js";
import { LogPane } from "./log.js";
import { HostMap } from "./map.js";
import { JobModel } from "./model.js";
import { Orders } from "./orders.js";
import { Past } from "./past.js";
import * as place from "./place.js";
import { Rail } from "./rail.js";
import { Refused, read } from "./reading.js";
import { ReadOut } from "./readout.js";
import { retoldIn } from "./retelling.js";
import { Score } from "./score.js";
import { Search } from "./search.js";
import { JobStream } from "./stream.js";
import { Steps } from "./steps.js";
import { HostTable } from "./table.js";
import { Transcript } from "./transcript.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Up to so many hosts are told apart best in a table, more as squares. */
const TABLE_UP_TO = 60;
const PAINT_WITHIN = 1000; // milliseconds
const TICK = 1000;
/** Ticks so far apart: this machine slept, and nobody told us. */
const SLEPT = 5 * TICK;

/** Milliseconds: what fails together is told together. */
const WHY_AFTER = 300;
/** Milliseconds between two questions of how fast it goes. */
const PACE_EVERY = 5000;

const byId = (id) => document.getElementById(id);
const page = JSON.parse(byId("page").textContent);
retoldIn(page.job, ...page.activity);
const model = new JobModel(page);
const here = place.read();
const pending = { hosts: new Set(), all: true, asked: false };
let can = page.job.can;
let transcript = null;
let past = null;
let looked = null;
let stepsKnown = false;
let pace = { left: null, until: 0 };
let ticked = Date.now();

const readOut = new ReadOut(byId("readout"));
const view = { model, onPick: pick, onLook: look };
const map = new HostMap(byId("map"), view);
const table = new HostTable(byId("table"), view);
const headline = new Headline(
  { say: byId("verdict"), more: byId("more"), spoken: byId("spoken") },
  view,
);
const score = new Score(byId("score"), toggle);
const rail = new Rail(byId("rail"));
const activity = new Activity(byId("activity"), page.activity);
const log = new LogPane(byId("log"), {
  model,
  download: downloadUrl,
  need: (attempt, lines) =>
    (lines ? past.lines(attempt, lines) : past.output(attempt)).catch(gone),
  why: (name) => causes.lineOf(name),
});
const search = new Search(byId("log"), {
  url: page.urls.job,
  onLook: (text) => log.highlight(text),
  onGo: goTo,
  onRefused: () => paintLink(byId("link"), { state: "refused" }),
});
const steps = new Steps(byId("steps"), page.steps);
const causes = new Causes(byId("causes"), {
  onShow: (cause) => filter({ cause, show: [] }),
  onShowStates: (states) => filter({ cause: "", show: states }),
  onRetry: (hosts, button) =>
    orders.give("retry", { hosts }, button, { refusal: byId("causes-refusal") }),
  onPick: pick,
});
const orders = new Orders(byId("acts"), byId("refusal"), {
  model,
  url: page.urls.job,
  onGiven: askAgain,
});

await readList();
const stream = new JobStream({
  url: new URL(page.urls.stream, location.href.replace(/^http/, "ws")).href,
  eventsUrl: page.urls.events,
  after: model.seq,
  output: "none",
  onItems: take,
  onLink: (state) => paintLink(byId("link"), state),
  onBehind: readList,
  onReset: () => location.reload(),
});
openHost(here.host && model.hosts.has(here.host) ? here.host : worst());
goToLink();
addEventListener("hashchange", goToLink);
setInterval(tick, TICK);
askAgain();
askWhy();
askPace();
for (const event of ["online", "offline", "pageshow"]) addEventListener(event, () => stream.nudge());

// ---- what comes in

/** The whole list; at first, and when the stream will tell how hosts stand later than this does. */
async function readList() {
  const list = await read(page.urls.hosts);
  retoldIn(...list.hosts);
  model.load(list);
  stepsKnown = false;
  offerGroups();
  paintSoon({ all: true });
}

function take(items) {
  retoldIn(...items);
  const changed = model.apply(items);
  activity.add(changed.told);
  if (changed.failed) askWhy();
  transcript?.addLive(items);
  if (changed.job || changed.failed) askAgain();
  paintSoon(changed);
}

/** What may be ordered now is the server's to say; asked when the job moved, or a host failed. */
function askAgain() {
  if (pending.asked) return;
  pending.asked = true;
  setTimeout(
    async () => {
      pending.asked = false;
      const report = await read(page.urls.job).catch(gone);
      can = report?.can ?? [];
      if (report) model.loadJob(report);
      paintSoon({});
    },
    200 + Math.random() * 300,
  );
}

/** Why hosts failed is read anew when some did, or were retried; not for each of them. */
function askWhy() {
  if (pending.why) return;
  pending.why = true;
  setTimeout(async () => {
    pending.why = false;
    const told = await read(page.urls.failures).catch(gone);
    if (!told) return;
    causes.load(told);
    paintSoon({ all: true });
  }, WHY_AFTER);
}

/** How fast it goes is the server's to say, who knows earlier jobs; while it goes. */
async function askPace() {
  const told = await read(page.urls.pace).catch(gone);
  if (!told) return;
  steps.paint(told, model.hosts);
  pace = { left: told.left, until: Date.now() + 3 * PACE_EVERY };
  paintSoon({ hosts: model.setSlow(told.slow) });
  if (!model.ended) setTimeout(askPace, PACE_EVERY);
}

/** Seconds; an old answer is none, and a job that stands still has none. */
function left() {
  return model.job.state === "running" && Date.now() < pace.until ? pace.left : null;
}

/** What is no longer ours to see is said where the link is; what is shown stays. */
function gone(error) {
  if (!(error instanceof Refused)) throw error;
  paintLink(byId("link"), { state: "refused" });
}

// ---- the chosen host

/** Its past over HTTP, as far as one looks, and its present over the socket. */
function openHost(name) {
  if (!name || transcript?.host === name) return;
  past?.close();
  transcript = new Transcript(name);
  past = new Past(transcript, {
    url: hostUrl(name),
    present: stream.watch([name]),
    onRead: () => paintSoon({}),
  });
  search.of(name);
  log.open(transcript, page.urls.host.replace("HOST", encodeURIComponent(name)));
  mark();
  past.attempts().catch(gone);
}

/** A line that a link, or a search, points to. */
function goTo(line) {
  if (!model.hosts.has(line.host)) return;
  if (transcript?.host !== line.host) pick(line.host);
  log.go(line);
}

function goToLink() {
  const line = place.readLine();
  if (line) goTo(line);
}

/** Where a person would look first. */
function worst() {
  const hosts = [...model.hosts.values()];
  const found =
    hosts.find(({ down }) => down) ??
    ["failed", "unknown", "unreachable", "slow", "running"]
      .map((state) => hosts.find(({ shown }) => shown === state))
      .find(Boolean) ??
    hosts[0];
  return found?.name;
}

function pick(name) {
  here.host = name;
  place.write(here, place.readLine()?.host === name ? location.hash : "");
  openHost(name);
  if (matchMedia("(max-width: 1180px)").matches) byId("log").scrollIntoView({ block: "start" });
}

function look(name) {
  looked = name;
  readOut.show(model.hosts.get(name ?? transcript?.host));
}

function hostUrl(host) {
  return `${page.urls.job}/hosts/${encodeURIComponent(host)}`;
}

function downloadUrl(host, attempt = null, { safe = true } = {}) {
  const query = new URLSearchParams(safe ? { safe: 1 } : {});
  if (attempt) for (const [key, value] of [["step", attempt.step], ["attempt", attempt.n]]) query.set(key, value);
  return `${hostUrl(host)}/log?${query}`;
}

// ---- which hosts show

function toggle(shown) {
  const show = new Set(here.show);
  if (!show.delete(shown)) show.add(shown);
  filter({ show, cause: here.cause });
}

function filter({ show, cause }) {
  Object.assign(here, { show: new Set(show), cause });
  place.write(here);
  paintSoon({ all: true });
}

/** Which hosts show, as `shows(host)`; null: all of them. */
function showing() {
  const ofCause = here.cause ? causes.hosts(here.cause) : null;
  if (!here.show.size && !ofCause) return null;
  return ({ name, shown }) =>
    (!here.show.size || here.show.has(shown)) && (!ofCause || ofCause.has(name));
}

byId("show-all").addEventListener("click", clearFilter);

byId("view").addEventListener("click", (event) => {
  here.view = event.target.dataset.view ?? here.view;
  place.write(here);
  paintSoon({ all: true });
});

/** By which labels hosts can be grouped is known with the list. */
function offerGroups() {
  const labels = model.labels();
  if (!labels.includes(here.group)) here.group = "";
  const options = labels.map((label) => new Option(fill(gettext("by %(label)s"), { label }), label));
  byId("group").replaceChildren(new Option(gettext("by batch"), ""), ...options);
  byId("group").value = here.group;
  map.build(here.group);
}

byId("group").addEventListener("change", () => {
  here.group = byId("group").value;
  place.write(here);
  map.build(here.group);
  mark();
});

// ---- keys

listen({
  "/": () => search.focus(),
  n: () => search.step(1),
  N: () => search.step(-1),
  f: () => log.toggleFollow(),
  w: () => log.toggleWrap(),
  e: () => map.nextFailure(),
  "g j": () => location.assign(page.urls.jobs),
  "g d": () => location.assign("/"),
  "g h": () => location.assign(page.urls.inventory),
  "?": () => byId("keys-help").showModal(),
  Escape: () => search.clear() || clearFilter(),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, () => score.press(n)])),
});

function clearFilter() {
  if (!here.show.size && !here.cause) return false;
  filter({ show: [], cause: "" });
  return true;
}

// ---- orders for one host

byId("retry-host").addEventListener("click", (event) => {
  orders.give("retry", { hosts: [transcript.host] }, event.target, {
    refusal: byId("host-refusal"),
  });
});

byId("answer").addEventListener("submit", (event) => {
  event.preventDefault();
  const url = `${hostUrl(transcript.host)}/answer`;
  const body = { answer: event.submitter.value, note: byId("answer-note").value };
  orders.give("answer", body, event.submitter, { url, refusal: byId("answer-refusal") });
});

// ---- painting

function paintSoon({ hosts = [], all = false }) {
  for (const name of hosts) pending.hosts.add(name);
  pending.all ||= all;
  if (pending.frame) return;
  pending.frame = requestAnimationFrame(paint);
  // A page that is hidden or covered gets no frames, but its title should go on telling.
  pending.late = setTimeout(paint, PAINT_WITHIN);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) stream.nudge();
});

function paint() {
  cancelAnimationFrame(pending.frame);
  clearTimeout(pending.late);
  const all = pending.all;
  const names = all ? [...model.hosts.keys()] : [...pending.hosts];
  Object.assign(pending, { hosts: new Set(), all: false, frame: null });
  const batches = model.batches();
  headline.paint(batches, left());
  rail.paint(batches, !model.ended);
  const counts = model.counts();
  score.paint(counts, here.show);
  causes.paint({ counts, shown: here.cause, retryable: can.includes("retry") });
  orders.paint(can);
  paintHosts(names, all);
  paintHostOrders();
  log.paint();
  look(looked);
}

function paintHosts(names, all) {
  const listed = [...model.hosts.values()].filter(showing() ?? (() => true)).map(({ name }) => name);
  const asTable = here.view ? here.view === "table" : listed.length <= TABLE_UP_TO;
  const turned = asTable === byId("table").hidden;
  byId("map").hidden = asTable;
  byId("keys").hidden = byId("steps").hidden = asTable;
  byId("group").hidden = asTable || byId("group").length < 2;
  byId("table").hidden = !asTable || listed.length === 0;
  byId("none").hidden = listed.length > 0;
  for (const button of byId("view").children)
    button.setAttribute("aria-pressed", String((button.dataset.view === "table") === asTable));
  const total = model.hosts.size;
  setText(
    byId("hosts-n"),
    listed.length === total
      ? number(total)
      : fill(ngettext("%(n)s of %(total)s", "%(n)s of %(total)s", listed.length), {
          n: number(listed.length),
          total: number(total),
        }),
  );
  if (asTable) {
    table.list(listed);
    table.paint(all || turned ? listed : names);
    knowSteps();
  } else {
    map.paint(all || turned ? model.hosts.keys() : names);
  }
  if (all || turned) mark();
}

function mark() {
  map.mark(transcript?.host, showing());
  table.mark(transcript?.host);
}

/** The table shows every step of a host: they are read when it is first looked at. */
async function knowSteps() {
  if (stepsKnown) return;
  stepsKnown = true;
  const told = await read(page.urls.steps).catch(gone);
  if (told) model.loadSteps(told);
  paintSoon({ all: true });
}

function paintHostOrders() {
  const host = model.hosts.get(transcript?.host);
  if (!host) return;
  byId("retry-host").hidden =
    !can.includes("retry") || !["failed", "cancelled", "rolled_back"].includes(host.state);
  byId("answer").hidden = !can.includes("answer") || host.state !== "unknown";
}

function tick() {
  const now = Date.now();
  if (now - ticked > SLEPT) stream.nudge();
  ticked = now;
  headline.tick(now);
  table.tick(now);
  log.tick(now);
  if (looked === null) look(null);
}
