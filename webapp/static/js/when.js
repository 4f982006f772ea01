// The start page: the time of an order is chosen on the reader's own clock, and sent as UTC.

const form = document.getElementById("start");
const local = form.querySelector("[data-local]");
const sent = form.elements.start_at;

if (sent.value && !Number.isNaN(Date.parse(sent.value))) local.value = onOwnClock(sent.value);
local.addEventListener("input", send);
form.addEventListener("submit", send);

/** A choice that needs a time begins with one: the next full hour. */
form.addEventListener("change", ({ target }) => {
  if (target.name !== "when" || local.value || !["at", "stage_at"].includes(target.value)) return;
  const next = new Date();
  next.setHours(next.getHours() + 1, 0, 0, 0);
  local.value = onOwnClock(next);
  send();
  // What was asked about before had no time yet.
  form.dispatchEvent(new Event("input", { bubbles: true }));
});

function send() {
  sent.value = local.value ? new Date(local.value).toISOString() : "";
}

function onOwnClock(at) {
  const moment = new Date(at);
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
