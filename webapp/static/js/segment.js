// One step of one host in the timeline, in words: the read-out below the bars.

import { word } from "./states.js";
import { clock, fill, gettext, span } from "./words.js";

/** @param segment as gantt.js tells it @param usual {p50, p95} of the step, where they are known */
export function said(segment, usual) {
  const { step, place, n, kind, state, rc, seconds, from, to, unheard } = segment;
  return [
    fill(gettext("step %(n)s, %(step)s"), { n: place + 1, step }),
    kind === "undo" ? gettext("undo") : "",
    unheard ? gettext("running when last heard of") : `${word(state)} ${span(seconds)}`,
    usual?.p50 != null
      ? fill(gettext("usually %(p50)s, nearly all at most %(p95)s"), {
          p50: span(usual.p50),
          p95: span(usual.p95),
        })
      : "",
    fill(gettext("%(from)s to %(to)s"), {
      from: clock(from),
      to: state === "running" && !unheard ? gettext("now") : clock(to),
    }),
    n > 1 ? fill(gettext("attempt %(n)s"), { n }) : "",
    rc ? fill(gettext("exit status %(rc)s"), { rc }) : "",
  ]
    .filter(Boolean)
    .join(gettext(", "));
}
