// The start page: asks the server what the form as it stands would do, and shows it at the side.

import { element, setText } from "./dom.js";
import { tellTimes } from "./page.js";
import { reasons } from "./reasons.js";
import { duration, fill, gettext, moment, ngettext, number, until } from "./words.js";

const TYPED_FOR = 350; // milliseconds without a key
const ANSWER_WITHIN = 20_000;

const form = document.getElementById("start");
const go = document.getElementById("go");
const age = document.getElementById("plan-age");
const place = document.getElementById("plan");
let asked = null;
let timer = 0;
let answeredAt = null;

form.addEventListener("input", () => askSoon(TYPED_FOR));
document.addEventListener("added", ({ detail }) => showReleases(detail));
// What is left half-written in a browser's history is asked about too.
window.addEventListener("pageshow", () => askSoon(0));
window.addEventListener("focus", () => askSoon(0));
setInterval(tellAge, 1000);

/** A release was added: the list is the server's, with the new one chosen. */
async function showReleases(version) {
  const query = new URLSearchParams({ game: form.elements.game.value, version });
  const signal = AbortSignal.timeout(ANSWER_WITHIN);
  const answer = await fetch(`${form.action}?${query}`, { signal });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const releases = fresh.getElementById("releases");
  tellTimes(releases);
  document.getElementById("releases").replaceWith(document.adoptNode(releases));
  form.querySelector("details.adds").open = false;
  askSoon(0);
}

function askSoon(wait) {
  clearTimeout(timer);
  timer = setTimeout(ask, wait);
}

async function ask() {
  asked?.abort();
  if (!new FormData(form).has("version")) {
    errors({});
    return showNothing(gettext("Choose a version first."));
  }
  const mine = (asked = new AbortController());
  age.className = "badge end wait";
  try {
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(ANSWER_WITHIN)]);
    const answer = await fetch(form.dataset.plan, {
      method: "POST",
      body: new FormData(form),
      signal,
    });
    const told = await answer.json();
    if (answer.ok) show(told);
    else showErrors(told.errors ?? {});
    answeredAt = Date.now();
  } catch (error) {
    if (mine.signal.aborted) return;
    answeredAt = null;
    showNothing(gettext("The server does not answer; the plan is not known."));
  }
  tellAge();
}

function tellAge() {
  if (answeredAt === null) return;
  age.className = "badge end live";
  setText(
    age,
    fill(gettext("checked against the fleet %(time)s ago"), {
      time: duration((Date.now() - answeredAt) / 1000),
    }),
  );
}

function show(plan) {
  errors({});
  const { hosts, batches, steps, refusals, skipped } = plan;
  const inBatches = fill(ngettext("in %(n)s batch", "in %(n)s batches", batches.length), {
    n: number(batches.length),
  });
  const count = fill(ngettext("%(n)s host", "%(n)s hosts", hosts), { n: number(hosts) });
  place.replaceChildren(
    element(
      "div",
      { class: "pad" },
      element("p", { class: "big" }, element("b", {}, count), ` ${inBatches}${gettext(".")}`),
      element("p", { class: "sub" }, `${plan.game} ${plan.version}, ${plan.recipe}`),
    ),
    ...(refusals.length
      ? [
          reasons(
            fill(
              ngettext(
                "%(n)s host stands in the way",
                "%(n)s hosts stand in the way",
                refusals.length,
              ),
              { n: number(refusals.length) },
            ),
            refusals,
            "failed",
          ),
        ]
      : []),
    ...(plan.drifted?.length
      ? [
          reasons(
            gettext("Not as the last job left them: worth a look first"),
            plan.drifted,
            "unknown",
          ),
        ]
      : []),
    ...(plan.down?.length
      ? [reasons(gettext("Down, and so first: others wait for their places"), plan.down, "failed")]
      : []),
    timeline(plan),
    batchTable(batches),
    stepList(steps),
    ...(skipped.length
      ? [
          reasons(
            fill(
              ngettext("%(n)s host is skipped", "%(n)s hosts are skipped", skipped.length),
              { n: number(skipped.length) },
            ),
            skipped,
            "skipped",
          ),
        ]
      : []),
  );
  go.disabled = hosts === 0 || refusals.length > 0;
  setText(
    go,
    fill(ngettext("Start update of %(n)s host", "Start update of %(n)s hosts", hosts), {
      n: number(hosts),
    }),
  );
  setText(document.getElementById("first"), first(plan));
}

/** What is done when, in the reader's own time. */
function timeline({ rollout, steps, start_at: at }) {
  const ahead = steps.filter((step) => step.ahead).map(({ name }) => name);
  const rest = steps.filter((step) => !step.ahead).map(({ name }) => name);
  const begins = at && Date.parse(at) > Date.now() ? fromThen(at) : null;
  const rows = [];
  if (rollout.preflight) rows.push([gettext("First"), gettext("Workers look at every host.")]);
  if (rollout.stage === "ahead") {
    const staging = ahead.length
      ? fill(gettext("All hosts stage, %(n)s at a time: %(steps)s."), {
          n: rollout.stage_parallel,
          steps: ahead.join(", "),
        })
      : gettext("All hosts are asked for their version; no step comes before they go down.");
    rows.push([gettext("Now"), staging]);
    rows.push([
      at ? (begins ?? gettext("At once")) : gettext("When you say so"),
      fill(gettext("They go down, batch after batch: %(steps)s."), { steps: rest.join(", ") }),
    ]);
  } else if (begins) rows.push([begins, gettext("The first batch begins.")]);
  if (!rows.length) return "";
  return element(
    "dl",
    { class: "pad when" },
    ...rows.flatMap(([when, what]) => [element("dt", {}, when), element("dd", {}, what)]),
  );
}

function fromThen(at) {
  const span = until((Date.parse(at) - Date.now()) / 1000);
  return fill(gettext("%(at)s, in %(span)s"), { at: moment(at), span });
}

function first({ batches: [batch, ...later], refusals, rollout }) {
  if (refusals.length)
    return gettext(
      "Nothing starts while a host stands in the way: an order is carried out as a whole.",
    );
  if (!batch || rollout.stage === "ahead") return "";
  if (batch.size > 1 || !later.length)
    return fill(ngettext("Begins with %(n)s host.", "Begins with %(n)s hosts.", batch.size), {
      n: number(batch.size),
    });
  return fill(gettext("Begins with %(host)s alone. If it fails, nothing else is touched."), {
    host: batch.hosts[0],
  });
}

function batchTable(batches) {
  const head = [
    ["#", "num"],
    [gettext("Hosts"), "num"],
    [gettext("First"), null],
  ].map(([text, kind]) => element("th", { scope: "col", class: kind }, text));
  const rows = batches.map(({ n, size, hosts, canary }) =>
    element(
      "tr",
      {},
      element("td", { class: "num nowrap" }, String(n), canary ? ` ${gettext("canary")}` : ""),
      element("td", { class: "num" }, number(size)),
      element("td", {}, hosts.slice(0, 3).join(", ") + (size > 3 ? " …" : "")),
    ),
  );
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

function stepList(steps) {
  const text = fill(ngettext("%(n)s step on each host", "%(n)s steps on each host", steps.length), {
    n: number(steps.length),
  });
  return element(
    "details",
    {},
    element(
      "summary",
      {},
      element("b", {}, text),
      " ",
      element("span", { class: "muted" }, steps.map(({ name }) => name).join(", ")),
    ),
    ...steps.flatMap((step) =>
      [
        element(
          "p",
          { class: "step" },
          element("b", {}, step.name),
          element("span", { class: "muted" }, KINDS[step.kind] ?? step.kind),
          step.disruptive
            ? element("span", { class: "ink-unreachable" }, gettext("players feel it"))
            : null,
          step.ahead ? element("span", { class: "muted" }, gettext("staged ahead")) : null,
        ),
        step.script ? element("pre", {}, step.script) : null,
      ].filter(Boolean),
    ),
  );
}

const KINDS = {
  run: gettext("runs"),
  upload: gettext("uploads the artifact"),
  wait: gettext("waits until it is good"),
};

function showErrors(found) {
  errors(found);
  showNothing(gettext("The form is not complete yet."));
}

function showNothing(text) {
  place.replaceChildren(element("p", { class: "empty muted" }, text));
  setText(go, gettext("Start update"));
  setText(document.getElementById("first"), "");
  go.disabled = false; // the server decides, and says why
}

/** Each finding beside the field it is about; what is about no field, beside the button. */
function errors(found) {
  const left = { ...found, names: found.names ?? found.host };
  for (const node of form.querySelectorAll("[data-error]")) {
    const said = left[node.dataset.error];
    delete left[node.dataset.error];
    if (node.dataset.error !== "__all__") setText(node, said?.[0] ?? "");
  }
  delete left.host;
  const rest = [...(found.__all__ ?? []), ...Object.values(left).flat()].filter(Boolean);
  setText(document.getElementById("refusal"), rest.join(" "));
}
