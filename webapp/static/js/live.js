// Keeps a page up to date: asks the server for its main part again, and takes over the parts that
// are marked data-live. What they say is the server's; the badge says how we are connected to it.

import { setClass, setText } from "./dom.js";
import { morph, release } from "./morph.js";
import { tellTimes } from "./page.js";
import { clock, fill, gettext } from "./words.js";

const EVERY = 3000; // milliseconds
const WHILE_PENDING = 1000;
const ANSWER_WITHIN = 10_000;
const LONGEST_PAUSE = 30_000;

const badge = document.getElementById("live");
let etag = "";
let told = new Date();
let failures = 0;
let timer = 0;
let asking = false;
/** An order was given here: what was told before it is of no use. */
let given = false;

say("live", gettext("live"));
again();
document.addEventListener("visibilitychange", ask);
addEventListener("online", ask);
document.addEventListener("given", () => {
  release();
  given = true;
  ask();
});

function again() {
  // A page without a badge is live only until its question is answered.
  if (!badge && !pending(document)) return;
  const wait = given ? 0 : pending(document) ? WHILE_PENDING : EVERY;
  clearTimeout(timer);
  timer = setTimeout(ask, Math.min(wait * 2 ** failures, LONGEST_PAUSE));
}

async function ask() {
  // Nobody looks: the next glance asks.
  if (document.hidden || asking) return;
  asking = true;
  const since = given ? "now" : "1";
  given = false;
  try {
    const answer = await fetch(location.href, {
      headers: { "Patchwave-Live": since, ...(etag ? { "If-None-Match": etag } : {}) },
      cache: "no-store",
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    if (answer.type === "opaqueredirect") return say("wait", gettext("closed: log in again"));
    if (![200, 304].includes(answer.status)) throw new Error(`HTTP ${answer.status}`);
    if (answer.status === 200) await takeOver(answer);
    told = new Date();
    failures = 0;
    say("live", gettext("live"));
  } catch {
    failures += 1;
    say(
      "wait",
      fill(gettext("the server does not answer; as of %(time)s"), { time: clock(told) }),
    );
  } finally {
    asking = false;
  }
  again();
}

async function takeOver(answer) {
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let held = false;
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = fresh.getElementById(old.id);
    if (!part) continue;
    tellTimes(part);
    addTokens(part);
    held = morph(old, part) || held;
  }
  document.title = fresh.title;
  // What was held back is asked for again.
  etag = held ? "" : answer.headers.get("ETag");
}

/** A form that came to this page later is this page's, too. */
function addTokens(part) {
  for (const form of part.querySelectorAll("form[method=post]")) {
    if (form.elements.csrfmiddlewaretoken) continue;
    const token = document.createElement("input");
    Object.assign(token, { type: "hidden", name: "csrfmiddlewaretoken" });
    token.setAttribute("value", document.querySelector("meta[name=csrf-token]").content);
    form.prepend(token);
  }
}

function say(kind, text) {
  if (!badge) return;
  setClass(badge, `badge end ${kind}`);
  setText(badge, text);
}

function pending(page) {
  return page.querySelector("[data-pending]") !== null;
}
