// The start page: the time of an order is chosen on the reader's own clock, and sent as UTC.

import { fromOwnClock, nextHour, onOwnClock } from "./ownclock.js";

const form = document.getElementById("start");
const local = form.querySelector("[data-local]");
const sent = form.elements.start_at;

if (sent.value && !Number.isNaN(Date.parse(sent.value))) local.value = onOwnClock(sent.value);
local.addEventListener("input", send);
form.addEventListener("submit", send);

/** A choice that needs a time begins with one. */
form.addEventListener("change", ({ target }) => {
  if (target.name !== "when" || local.value || !["at", "stage_at"].includes(target.value)) return;
  local.value = nextHour();
  send();
  // What was asked about before had no time yet.
  form.dispatchEvent(new Event("input", { bubbles: true }));
});

function send() {
  sent.value = fromOwnClock(local.value);
}
