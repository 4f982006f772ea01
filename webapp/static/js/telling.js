// One event of a job's story in one line, whatever its kind.

import { sentence } from "./activity.js";
import { word } from "./states.js";
import { fill, gettext, span } from "./words.js";

const CHAPTERS = new Set(["order", "job", "batch", "note"]);
const UNDO = gettext("undo of %(step)s");

/** @param item of the stream, any kind but output */
export function told(item) {
  if (CHAPTERS.has(item.k)) return sentence(item);
  if (item.k === "step") return step(item);
  if (item.k === "link") return link(item);
  return host(item);
}

function step({ step: name, kind, n, to, rc, seconds, reason }) {
  const what = kind === "undo" ? fill(UNDO, { step: name }) : name;
  return listed([
    `${what}${gettext(": ")}${outcome(to)}`,
    n > 1 ? fill(gettext("attempt %(n)s"), { n }) : "",
    rc ? fill(gettext("exit status %(rc)s"), { rc }) : "",
    to === "running" ? "" : span(seconds),
    reason,
  ]);
}

function outcome(to) {
  if (to === "succeeded") return gettext("ended well");
  return to === "lost" ? gettext("its end is not known") : word(to);
}

function link({ to, reason }) {
  return listed([to === "unreachable" ? word(to) : gettext("reached again"), reason]);
}

function host({ to, reason, error, version, previous, down, activity }) {
  const known = previous ? fill(gettext("had %(version)s before"), { version: previous }) : "";
  return listed([
    to === undefined ? "" : word(to),
    activity,
    error,
    // A host that is ill again is told why it is taken back, and that is its error.
    reason === error ? "" : reason,
    down ? gettext("it is down") : "",
    version ? fill(gettext("has %(version)s"), { version }) : known,
  ]);
}

function listed(parts) {
  return parts.filter(Boolean).join(gettext(", "));
}
