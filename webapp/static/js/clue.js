// Which line of a host's log tells why it failed: that of the cause, or, where this stands in an
// earlier step, that of the sign by which it showed, in the step that failed.

import { setText } from "./dom.js";
import { fill, gettext } from "./words.js";

const ENDED_BADLY = ["failed", "rolled_back"];

export class Clue {
  #told = null;
  #sign = false;

  /** @param button leads from the one to the other @param told `(name)` gives a host that failed, as
   * causes.js knows it @param onTurn: another line is wanted */
  constructor(button, { told, onTurn }) {
    Object.assign(this, { button, told, onTurn });
    button.addEventListener("click", () => this.turn());
  }

  /** The cause, of whatever host. */
  begin() {
    this.#sign = false;
  }

  /** To the sign, or back to the cause. */
  turn() {
    if (!this.#step) return;
    this.#sign = !this.#sign;
    this.onTurn();
  }

  paint(host) {
    this.#told = (ENDED_BADLY.includes(host.state) && this.told(host.name)) || null;
    this.button.hidden = !this.#step;
    if (!this.#step) return;
    const { step, found_in: found } = this.#told.cause;
    const text = this.#sign ? gettext("Show the cause in “%(step)s”") : gettext("Show how “%(step)s” failed");
    setText(this.button, fill(text, { step: this.#sign ? found : step }));
  }

  get line() {
    return (this.#sign ? this.#told?.cause.sign : this.#told?.line) ?? "";
  }

  /** Of these attempts, the one with the cause; undefined where that is the one that failed. */
  attempt(attempts) {
    const { found_in: found, sign } = this.#told?.cause ?? {};
    if (!sign || this.#sign) return undefined;
    return attempts.findLast(({ step, kind }) => step === found && kind === "do");
  }

  /** The step that failed, if there is one, and the cause stands in another. */
  get #step() {
    return this.#told?.cause.sign ? this.#told.cause.step : null;
  }
}
