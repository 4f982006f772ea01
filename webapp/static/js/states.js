// States as people see them: one square and one word each, the same everywhere on the page.

import { gettext } from "./words.js";

export const HOST_ENDED = new Set(["succeeded", "skipped", "failed", "cancelled", "rolled_back"]);
export const HOST_ACTIVE = new Set(["queued", "running", "paused"]);
export const JOB_ENDED = new Set(["succeeded", "failed", "cancelled"]);

/** Entries of the box score, left to right. `rare` ones show only when there are some. */
export const SCORE = [
  { shown: "succeeded", word: gettext("updated") },
  { shown: "running", word: gettext("running") },
  { shown: "draining", word: gettext("draining"), rare: true },
  { shown: "paused", word: gettext("paused"), rare: true },
  { shown: "waiting", word: gettext("waiting") },
  { shown: "failed", word: gettext("failed"), hot: true },
  { shown: "unknown", word: gettext("unknown") },
  { shown: "unreachable", word: gettext("unreachable") },
  { shown: "skipped", word: gettext("skipped") },
  { shown: "cancelled", word: gettext("cancelled"), rare: true },
  { shown: "rolled_back", word: gettext("rolled back"), rare: true },
];

const WORDS = Object.fromEntries(SCORE.map(({ shown, word }) => [shown, word]));

export function word(shown) {
  return WORDS[shown] ?? shown;
}

/** The square a host gets: trouble on the way to it is no outcome. */
export function shownState(host) {
  if (host.link === "unreachable" && !HOST_ENDED.has(host.state)) return "unreachable";
  if (host.state === "running" && host.activity === "draining") return "draining";
  return host.state === "queued" ? "running" : host.state;
}
