// The host that is pointed at, in one line that never moves: no tooltips that jump.

import { spelledOut } from "./ansi.js";
import { setText } from "./dom.js";
import { HOST_ENDED, tell } from "./states.js";
import { fill, gettext, until } from "./words.js";

export class ReadOut {
  #parts;
  #why;

  /** @param why the line that tells why a host failed, by its name; "" where none is known */
  constructor(root, { why }) {
    this.#parts = root.querySelectorAll("b, span, code");
    this.#why = why;
  }

  show(host, now = Date.now()) {
    const [text, detail] = host ? tell(host, { now, why: this.#why(host.name) }) : ["", ""];
    const said = [text, host ? ago(host, now) : ""].filter(Boolean).join(gettext(", "));
    const [name, state, printed] = this.#parts;
    setText(name, host?.name ?? "");
    setText(state, said);
    setText(printed, spelledOut(detail ?? ""));
  }
}

/** How long its end is past; what runs tells its own time. */
function ago({ state, ended_at: at }, now) {
  if (!at || !HOST_ENDED.has(state)) return "";
  return fill(gettext("%(time)s ago"), { time: until((now - Date.parse(at)) / 1000) });
}
