// One host's bar in the timeline: its passage as a line, its steps upon it, each with its number or
// how it ended. Positions are shares of the width: the CSP forbids styles from scripts.

import { svg } from "./dom.js";

/** A step that wide has room for its number, in pixels. */
const NUMBERED = 14;

/**
 * @param steps as gantt.js tells them @param passage {from, to, until} @param zero where the scale begins
 * @param span of the scale, both milliseconds @param pixels of the whole width @param chosen the
 * index of the step one is at, -1 for none
 */
export function bars(steps, { passage, zero, span, pixels, chosen }) {
  const place = (at) => Math.min(1, Math.max(0, (at - zero) / span));
  const part = ({ from, to }) => ({
    x: percent(place(from)),
    width: percent(place(to) - place(from)),
  });
  const drawn = [svg("rect", { class: "g-whole", ...part(passage), y: 10, height: 2 })];
  if (passage.until) {
    const [x1, x2] = [passage.to, passage.until].map((at) => percent(place(at)));
    drawn.push(svg("line", { class: "g-unheard", x1, x2, y1: 11, y2: 11 }));
  }
  steps.forEach((one, i) => {
    const at = part(one);
    const shape = look(one);
    const classes = i === chosen ? `${shape} chosen` : shape;
    drawn.push(svg("rect", { class: classes, ...at, y: 3, height: 16, "data-segment": i }));
    const text = mark(one, (place(one.to) - place(one.from)) * pixels);
    if (text) drawn.push(svg("text", { class: `g-mark ${shape}`, x: at.x, dx: 3, y: 15 }, text));
    if (one.late) drawn.push(corner(percent(place(one.to))));
  });
  if ((passage.to - zero) / span > 1)
    drawn.push(svg("text", { class: "g-more", x: "100%", dx: -2, y: 15 }, "›"));
  return drawn;
}

export function share(part, whole) {
  return percent(part / Math.max(whole, 1e-9));
}

function percent(of) {
  return `${(100 * of).toFixed(3)}%`;
}

function look({ place, kind, state, unheard }) {
  return `g-seg g-${place % 2 ? "odd" : "even"} ${kind === "undo" ? "undo" : unheard ? "lost" : state}`;
}

function mark({ place, kind, state, unheard }, pixels) {
  if (state === "failed") return "×";
  if (state === "lost" || unheard) return "?";
  if (kind === "undo") return "↶";
  return pixels >= NUMBERED ? String(place + 1) : "";
}

/** Of a step that took much longer than nearly all others. */
function corner(x) {
  const shape = svg("path", { class: "g-late", d: "M-7 0h7v7z" });
  return svg("svg", { x, y: 3, width: 7, height: 7, overflow: "visible" }, shape);
}
