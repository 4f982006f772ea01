// The start page: looks at the hosts that are chosen before anything starts, tells what is wrong
// with which, and takes those out of the order that are not fit.

import { element, setText } from "./dom.js";
import { reasons } from "./reasons.js";
import { fill, gettext, ngettext, number } from "./words.js";

const EVERY = 1000; // milliseconds
const ANSWER_WITHIN = 20_000;

const form = document.getElementById("start");
const button = document.getElementById("check");
const place = document.getElementById("fitness");
let round = 0; // what an older check finds is not shown any more

button.addEventListener("click", () => check(true));
form.addEventListener("input", forget);

function forget() {
  round += 1;
  place.replaceChildren();
  setText(button, gettext("Check the hosts first"));
  button.disabled = false;
}

async function check(again) {
  const mine = ++round;
  button.disabled = true;
  setText(button, gettext("Workers look at the hosts"));
  let found = await ask(again);
  while (mine === round && found?.pending) {
    show(found);
    await new Promise((wake) => setTimeout(wake, EVERY));
    if (mine === round) found = (await ask(false)) ?? found;
  }
  if (mine !== round) return;
  button.disabled = false;
  setText(button, gettext("Check again"));
  if (found) show(found);
  else say(gettext("The hosts could not be checked: see what the form says, or try again."));
}

async function ask(again) {
  const body = new FormData(form);
  if (again) body.append("again", "yes");
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN);
    const answer = await fetch(form.dataset.check, { method: "POST", body, signal });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function show({ pending, fit, unfit, hosts }) {
  const told = [
    fill(ngettext("%(n)s host is fit", "%(n)s hosts are fit", fit), { n: number(fit) }),
    unfit ? fill(ngettext("%(n)s is not", "%(n)s are not", unfit), { n: number(unfit) }) : "",
    pending
      ? fill(ngettext("%(n)s is being looked at", "%(n)s are being looked at", pending), {
          n: number(pending),
        })
      : "",
  ].filter(Boolean);
  const problems = flat(hosts, "problems");
  const warnings = flat(hosts, "warnings");
  place.replaceChildren(
    element(
      "div",
      { class: "pad" },
      element("p", {}, element("b", {}, told.join(gettext(", ")) + gettext("."))),
    ),
    ...(problems.length ? [reasons(gettext("Not fit"), problems, "failed")] : []),
    ...(warnings.length ? [reasons(gettext("Worth a look"), warnings, "unknown")] : []),
    ...(unfit && fit && !pending ? [leaveOut(hosts)] : []),
  );
}

function flat(hosts, kind) {
  return hosts.flatMap(({ host, [kind]: parts }) =>
    parts.map(({ says }) => ({ host, reason: says })),
  );
}

function leaveOut(hosts) {
  const unfit = hosts.filter(({ state }) => state === "unfit").length;
  const text = fill(ngettext("Leave that host out", "Leave those %(n)s hosts out", unfit), {
    n: number(unfit),
  });
  const out = element("button", { class: "btn", type: "button" }, text);
  out.addEventListener("click", () =>
    choose(hosts.filter(({ state }) => state !== "unfit").map(({ host }) => host)),
  );
  return element("div", { class: "pad" }, out);
}

/** The order names its hosts from here on. */
function choose(names) {
  form.querySelector("[name=which][value=names]").checked = true;
  const boxes = form.querySelectorAll("input[name=host]");
  for (const box of boxes) box.checked = names.includes(box.value);
  if (!boxes.length) form.elements.names.value = names.join(" ");
  form.dispatchEvent(new Event("input", { bubbles: true }));
}

function say(text) {
  place.replaceChildren(element("p", { class: "empty muted" }, text));
}
