// How long each step takes, one row for each: half of the hosts, nearly all of them, how many are
// through it, at it, slow in it, and failed in it.

import { element, svg } from "./dom.js";
import { share } from "./bars.js";
import { gettext, number, span } from "./words.js";

/**
 * @param steps as GET /jobs/{id}/pace tells them @param slow how many hosts are slow in a step
 * @param onSort a step was chosen to sort hosts by
 */
export function paces(steps, { slow, onSort }) {
  const longest = Math.max(...steps.map(({ p95 }) => p95 ?? 0), 0.1);
  return steps.map((one, place) => {
    const sort = element("button", { type: "button", class: "linkish" }, one.step);
    sort.title = gettext("hosts that took longest for it first");
    sort.addEventListener("click", () => onSort(one.step));
    const cells = [one.hosts, one.running, slow(one.step)].map((n, i) =>
      element("td", { class: "num" }, n || i === 0 ? number(n) : ""),
    );
    return element(
      "tr",
      {},
      element("td", { class: "num muted" }, swatch(place), String(place + 1)),
      element("th", { scope: "row" }, sort),
      ...[one.p50, one.p95].map((seconds) =>
        element("td", { class: "num" }, seconds === null ? "–" : span(seconds)),
      ),
      element("td", { class: "wide" }, spread(one, longest)),
      ...cells,
      element("td", { class: "num ink-failed" }, one.failed ? number(one.failed) : ""),
    );
  });
}

/** From nothing to the longest: a line to where nearly all are through, a mark where half are. */
function spread({ p50, p95 }, longest) {
  const drawn = svg("svg", { class: "spread", height: 12, "aria-hidden": "true" });
  if (p50 === null) return drawn;
  drawn.append(
    svg("rect", { class: "to-p95", x: 0, y: 4, width: share(p95, longest), height: 4 }),
    svg("rect", { class: "to-p50", x: 0, y: 2, width: share(p50, longest), height: 8 }),
  );
  return drawn;
}

function swatch(place) {
  const mark = svg("svg", { class: "swatch", width: 10, height: 10, "aria-hidden": "true" });
  mark.append(
    svg("rect", {
      class: `g-seg g-${place % 2 ? "odd" : "even"} succeeded`,
      width: 10,
      height: 10,
    }),
  );
  return mark;
}
