// The page of a job: reads the list, then follows the stream, and paints what changed once a frame.

import { keepAbove } from "./above.js";
import { Activity } from "./activity.js";
import { Answers } from "./answers.js";
import { Aside } from "./aside.js";
import { Asked } from "./asked.js";
import { paintBroker } from "./broker.js";
import { Causes } from "./causes.js";
import { Chosen } from "./chosen.js";
import { Fleet } from "./fleet.js";
import { Headline } from "./headline.js";
import { Hanging } from "./hanging.js";
import { listen } from "./keys.js";
import { paintLink } from "./link.js";
import { JobModel } from "./model.js";
import { Orders } from "./orders.js";
import { Painter } from "./painter.js";
import * as place from "./place.js";
import { Rail } from "./rail.js";
import { ReadOut } from "./readout.js";
import { retoldIn } from "./retelling.js";
import { Score } from "./score.js";
import { Story } from "./story.js";
import { JobStream } from "./stream.js";
import { Steps } from "./steps.js";
import { Timeline } from "./timeline.js";
import { Variables } from "./variables.js";
import { isBeforeSwitch } from "./verdict.js";
import { judgeBy } from "./wrong.js";

const TICK = 1000; // milliseconds
/** Ticks so far apart: this machine slept, and nobody told us. */
const SLEPT = 5 * TICK;

const byId = (id) => document.getElementById(id);
const page = JSON.parse(byId("page").textContent);
retoldIn(page.job, ...page.activity);
judgeBy(page.marks);
const model = new JobModel(page);
const here = place.read();
let looked = null;
let link = null;
let stepsKnown = false;
let ticked = Date.now();
let above = null;

const painter = new Painter(paint);
const paintSoon = (changed) => painter.soon(changed);
/** How the page is connected shows at once; how far behind it is, told four times a second, with all
 * else: it is worth no frame of its own. */
const linked = (told) => {
  if (told.state !== link?.state) paintLink(byId("link"), told);
  else paintSoon({});
  link = told;
};
const refused = () => linked({ state: "refused" });
const pick = (name) => chosen.pick(name);
/** Of those that are shown together one is open: the log beside them is never another's. */
const showOnly = (those) => {
  fleet.filter(those);
  const shown = fleet.listed();
  if (shown.length && !shown.includes(chosen.name)) pick(shown[0]);
};
const asked = new Asked(page, model, {
  onWhy: (told) => {
    causes.load(told);
    model.setFailedIn(told.causes);
  },
  onPace: (told) => {
    paintBroker(byId("broker"), model.ended ? null : told.broker);
    steps.paint(told, model.hosts);
    hanging.load(told);
    timeline.pace(told);
  },
  onTold: paintSoon,
  onRefused: refused,
});
const readOut = new ReadOut(byId("readout"), { why: (name) => causes.lineOf(name) });
const headline = new Headline(
  { say: byId("verdict"), more: byId("more"), spoken: byId("spoken") },
  { model, onPick: pick, onSlow: showSlow, failed: () => causes.failed },
);
const score = new Score(byId("score"), (shown) => fleet.toggle(shown));
const rail = new Rail(byId("rail"));
const activity = new Activity(byId("activity"), page.activity);
const steps = new Steps(byId("steps"), page.steps);
const orders = new Orders(byId("acts"), byId("refusal"), {
  model,
  url: page.urls.job,
  again: page.urls.again,
  told: (names) => causes.told(names),
  onGiven: () => asked.again(),
});
const causes = new Causes(byId("causes"), {
  onShow: (cause) => {
    showOnly({ cause, show: [] });
    if (cause) chosen.tell(chosen.name);
  },
  onRetry: (body, button) => orders.give("retry", body, button, { refusal: byId("causes-refusal") }),
  onExclude: (hosts, button) => aside.exclude(hosts, button, byId("causes-refusal")),
  onAnswer: (those, button) => answers.ask(those, button, byId("causes-refusal")),
  onMore: () => paintCauses(),
  about: () => ({ said: headline.said, url: location.origin + location.pathname }),
  onPick: pick,
  onLine: (line) => chosen.goTo(line),
  onTell: (name) => chosen.tell(name),
});
const hanging = new Hanging(byId("hanging"), { onShow: showSlow, onPick: pick });
const aside = new Aside({ model, orders });
const answers = new Answers({ page, model, orders });
const fleet = new Fleet(
  { model, here },
  {
    onPick: pick,
    onLook: look,
    ofCause: (cause) => causes.hosts(cause),
    chosen: () => chosen.name,
    needSteps,
    onTurn: () => painter.next({ all: true }),
  },
);
const timeline = new Timeline(
  byId("timeline"),
  { model, here },
  { onPick: pick, needSteps, onTurn: () => place.write(here) },
);
const story = new Story(
  byId("story"),
  { url: page.urls.story, steps: page.steps, here },
  {
    has: (name) => model.hosts.has(name),
    onPick: pick,
    onTurn: () => place.write(here),
    onRefused: refused,
  },
);
const variables = new Variables(byId("variables"), {
  url: (host) => `${page.urls.job}/hosts/${encodeURIComponent(host)}`,
  onRefused: refused,
});
const chosen = new Chosen(
  { page, model, here, orders, aside },
  {
    watch: (name) => stream.watch([name]),
    told: (names) => causes.told(names),
    onTurn: () => fleet.mark(),
    onTold: paintSoon,
    onRefused: refused,
  },
);

await asked.begin();
listRead();
const stream = new JobStream({
  url: new URL(page.urls.stream, location.href.replace(/^http/, "ws")).href,
  eventsUrl: page.urls.events,
  after: model.seq,
  output: "none",
  onItems: take,
  onLink: linked,
  onBehind: () => {
    story.skipped();
    return readList();
  },
  onReset: () => location.reload(),
});
chosen.begin();
requestAnimationFrame(() => {
  story.begin();
  variables.begin();
});
setInterval(tick, TICK);
asked.again();
asked.why();
asked.pace();
byId("log").addEventListener("pointerleave", paintCauses);
for (const event of ["online", "offline", "pageshow"])
  addEventListener(event, () => stream.nudge());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) stream.nudge();
});

async function readList() {
  await asked.list();
  listRead();
}

function listRead() {
  stepsKnown = false;
  fleet.load();
  paintSoon({ all: true });
}

function take(items) {
  retoldIn(...items);
  const changed = model.apply(items);
  activity.add(changed.told);
  story.add(items);
  if (changed.failed) asked.why();
  chosen.addLive(items);
  if (changed.job || changed.failed) asked.again();
  paintSoon(changed);
}

function showSlow() {
  showOnly({ cause: "", show: ["slow"] });
}

/** The steps of every host are read when they are first looked at. */
function needSteps() {
  if (stepsKnown) return;
  stepsKnown = true;
  asked.steps();
}

function look(name) {
  looked = name;
  readOut.show(model.hosts.get(name ?? chosen.name));
}

listen({
  "/": () => chosen.search.focus(),
  h: () => fleet.find(),
  n: () => chosen.search.step(1),
  N: () => chosen.search.step(-1),
  f: () => chosen.log.toggleFollow(),
  w: () => chosen.log.toggleWrap(),
  l: () => chosen.log.toggleWide(),
  e: () => fleet.nextFailure(),
  m: () => chosen.log.nextWrong(),
  c: () => chosen.log.clue.turn(),
  "g j": () => location.assign(page.urls.jobs),
  "g d": () => location.assign("/"),
  "g h": () => location.assign(page.urls.inventory),
  "?": () => byId("keys-help").showModal(),
  Escape: () => chosen.search.clear() || fleet.showAll(),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, () => score.press(n)])),
});
dispatchEvent(new Event("begun"));

// ---- painting

function paint({ hosts, all }) {
  const names = all ? [...model.hosts.keys()] : [...hosts];
  const batches = model.batches();
  const counts = model.counts();
  headline.paint(batches, asked.outlook);
  rail.paint(batches, model.job, !model.ended && !isBeforeSwitch(model.job));
  score.paint(counts, here.show);
  orders.paint(asked.can, batches);
  // Before what is to fit below it shows: else that would move at once.
  above ??= keepAbove(document.querySelector(".run"));
  paintCauses();
  hanging.paint(model);
  fleet.paint(names, { all });
  timeline.paint(fleet.listed(), { all });
  chosen.paint(asked.can, { hosts, all });
  variables.of(chosen.name, Boolean(model.hosts.get(chosen.name)?.started_at));
  look(looked);
  if (link) paintLink(byId("link"), link);
}

function paintCauses() {
  causes.paint({ hosts: model.hosts.values(), shown: here.cause, can: asked.can, ended: model.ended });
}

function tick() {
  const now = Date.now();
  if (now - ticked > SLEPT) stream.nudge();
  ticked = now;
  // Nobody asks any more.
  if (model.ended) paintBroker(byId("broker"), null);
  headline.tick(now);
  paintCauses();
  fleet.tick(now);
  timeline.tick();
  chosen.tick(now);
  if (looked === null) look(null);
}
