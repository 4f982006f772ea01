// How this page is connected: the stream's own truth, apart from how the job stands.

import { setClass, setText } from "./dom.js";
import { fill, gettext, ngettext, number } from "./words.js";

export function paintLink(node, { state, gaps = 0, lag_ms: lag = null, at_seq: seq = null }) {
  const [kind, text] = say(state, gaps, lag, seq);
  setClass(node, `badge end ${kind}`);
  setText(node, text);
}

function say(state, gaps, lag, seq) {
  switch (state) {
    case "live": {
      const missed = ngettext("%(gaps)s gap", "%(gaps)s gaps", gaps);
      const told = [
        gettext("live"),
        gaps ? fill(missed, { gaps: number(gaps) }) : "",
        lag === null ? "" : fill(gettext("%(lag)s ms behind"), { lag: number(Math.round(lag)) }),
      ];
      return ["live", told.filter(Boolean).join(gettext(", "))];
    }
    case "silent":
      return ["wait", gettext("no answer, checking the connection")];
    case "behind":
      return ["wait", gettext("behind, catching up")];
    case "reconnecting":
      return [
        "wait",
        seq === null
          ? gettext("reconnecting")
          : fill(gettext("reconnecting, nothing lost, resuming at #%(seq)s"), { seq: number(seq) }),
      ];
    case "polling":
      return ["wait", gettext("polling every 2 s")];
    case "ended":
      return ["", gettext("all told, the job is over")];
    case "refused":
      return ["wait", gettext("closed: log in again, or ask for the right to see this")];
    default:
      return ["wait", gettext("connecting")];
  }
}
