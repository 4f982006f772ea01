// States as people see them: one square and one word each, the same everywhere on the page.

import { duration, fill, gettext } from "./words.js";

export const FAILED = new Set(["failed", "rolled_back"]);
export const RETRYABLE = new Set([...FAILED, "cancelled"]);
export const HOST_ENDED = new Set(["succeeded", "skipped", "failed", "cancelled", "rolled_back"]);
export const HOST_ACTIVE = new Set(["queued", "running", "paused"]);
export const JOB_ENDED = new Set(["succeeded", "failed", "cancelled"]);

/** Entries of the box score, left to right. `rare` ones show only when there are some. */
export const SCORE = [
  { shown: "succeeded", word: gettext("updated") },
  { shown: "running", word: gettext("running") },
  { shown: "slow", word: gettext("running, slow"), rare: true },
  { shown: "draining", word: gettext("draining"), rare: true },
  { shown: "paused", word: gettext("paused"), rare: true },
  { shown: "staged", word: gettext("staged"), rare: true },
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

/** Whether nobody hears how what it runs goes on. */
export function isGone({ state, shown }) {
  return state === "unknown" || shown === "unreachable";
}

/** The square a host gets: trouble on the way to it is no outcome. */
export function shownState(host) {
  if (host.link === "unreachable" && !HOST_ENDED.has(host.state)) return "unreachable";
  if (host.state === "running" && host.activity === "draining") return "draining";
  if (host.state === "running" && host.slow) return "slow";
  return host.state === "queued" ? "running" : host.state;
}

/** What a host is doing or how it ended: one sentence, and the detail that explains it. @param why
 * the line that tells why it failed, where one is known: more than the status its step ended with */
export function tell(host, { now = Date.now(), why = "" } = {}) {
  const step = host.step;
  switch (host.shown) {
    case "waiting":
      return [gettext("waits for its turn"), host.reason];
    case "staged":
      return [gettext("staged; waits for the switch"), host.reason];
    case "succeeded":
      return [
        host.previous && host.version && host.previous !== host.version
          ? fill(gettext("updated from %(old)s to %(new)s"), {
              old: host.previous,
              new: host.version,
            })
          : gettext("updated"),
        host.reason,
      ];
    case "skipped":
      return [gettext("skipped"), host.reason];
    case "failed":
      return [
        failed(host.failed_in ?? step, host.down),
        [why || host.error || host.reason, host.excluded ? host.reason : ""].filter(Boolean).join("; "),
      ];
    case "unknown":
      return [
        step
          ? fill(
              host.down
                ? gettext("down: what became of %(step)s must be answered")
                : gettext("unknown: what became of %(step)s must be answered"),
              { step },
            )
          : gettext("unknown"),
        host.error || host.reason,
      ];
    case "unreachable":
      return [gettext("unreachable, tried again; not counted as failed"), host.link_reason ?? ""];
    case "slow":
    case "running": {
      if (host.state === "queued" || !step) return [gettext("waits for a worker"), host.reason];
      const at = (host.undos?.get(step) ?? host.steps?.get(step))?.at;
      const seconds = at ? (now - Date.parse(at)) / 1000 : null;
      return [
        seconds === null
          ? fill(gettext("in %(step)s"), { step })
          : fill(gettext("in %(step)s for %(time)s"), { step, time: duration(seconds) }),
        host.reason,
      ];
    }
    default:
      return [word(host.shown), host.error || host.reason];
  }
}

function failed(step, down) {
  if (down) return step ? fill(gettext("down: failed in %(step)s"), { step }) : gettext("down");
  return step ? fill(gettext("failed in %(step)s"), { step }) : gettext("failed");
}
