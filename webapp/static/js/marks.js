// The square of a state and the bar of shares: the same marks wherever a state shows.

import { element, setClass, svg } from "./dom.js";

const OF_ATTEMPT = { new: "waiting", lost: "unknown", abandoned: "cancelled" };
/** From what is done to what is still to come; as in templatetags/look.py. */
const ORDER = [
  "succeeded",
  "skipped",
  "failed",
  "rolled_back",
  "cancelled",
  "unknown",
  "unreachable",
  "paused",
  "staged",
  "draining",
  "slow",
  "running",
];

export function square(shown) {
  return element("i", { class: `sq ${shown}` });
}

/** Classes of a square: its state, and how far it is while it runs. */
export function squareClass(shown, progress = null) {
  const moves = shown === "running" || shown === "slow";
  return moves && progress !== null ? `sq running ${shown} p${progress}` : `sq ${shown}`;
}

/** Of an attempt: its outcome may be lost, as that of a host is unknown. */
export function attemptClass(state) {
  return squareClass(OF_ATTEMPT[state] ?? state, 3);
}

export function bar() {
  return svg("svg", { class: "bar", "aria-hidden": "true" });
}

/** Shares of a whole by state. Widths are SVG attributes: the CSP forbids styles from scripts. */
export function fillBar(node, counts, total) {
  let done = 0;
  const parts = ORDER.filter((state) => counts[state]).map((state) => {
    const part = { state, x: share(done, total), width: share(counts[state], total) };
    done += counts[state];
    return part;
  });
  while (node.children.length > parts.length) node.lastChild.remove();
  while (node.children.length < parts.length) node.append(svg("rect", { height: "100%" }));
  parts.forEach(({ state, x, width }, i) => {
    const rect = node.children[i];
    setClass(rect, state);
    rect.setAttribute("x", x);
    rect.setAttribute("width", width);
  });
}

function share(part, total) {
  return `${((100 * part) / Math.max(1, total)).toFixed(2)}%`;
}
