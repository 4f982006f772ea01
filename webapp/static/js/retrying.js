// A retry of the one host that is looked at: from where its cause stands, from where it stopped, or
// over again from a step before.

import { element } from "./dom.js";
import { goesOn, stoppedAt } from "./report.js";
import { RETRYABLE } from "./states.js";
import { fill, gettext } from "./words.js";

/** In the select, where it goes back for no cause; no step is called so. */
const ONLY = "/";

export class Retrying {
  #of = "";
  #host = "";

  /** @param button gives the order @param from a select: "", ONLY or the name of a step
   * @param onRetry is given the order's body and the button */
  constructor(button, from, { model, onRetry }) {
    Object.assign(this, { button, from, model });
    button.addEventListener("click", () => onRetry({ hosts: [this.name], ...where(from.value) }, button));
  }

  /** @param name of the host @param can what may be ordered now @param told the host as one that
   * failed, where it is known */
  paint(name, can, told) {
    this.name = name;
    const host = this.model.hosts.get(name);
    const may = can.includes("retry") && RETRYABLE.has(host.state);
    const back = told?.back_to;
    // A rollback goes on with what is left to undo.
    const chooses = may && !this.model.job.rolls_back;
    const before = (chooses ? earlier(this.model.steps, host.steps, told?.again) : []).filter((step) => step !== back);
    this.button.hidden = !may;
    this.from.hidden = before.length === 0 && !back;
    const first = told ? goesOn([told]) : gettext("from where it stopped");
    const only = back ? [[ONLY, fill(gettext("only %(from)s"), { from: stoppedAt([told]) })]] : [];
    const over = before.map((step) => [step, fill(gettext("over again from “%(step)s”"), { step })]);
    const options = [["", first], ...only, ...over];
    const of = [name, ...options].join("\n");
    if (of === this.#of) return;
    // What is found out about the host meanwhile does not take back what was chosen.
    const stays = name === this.#host && options.some(([value]) => value === this.from.value);
    const chosen = stays ? this.from.value : "";
    this.#of = of;
    this.#host = name;
    this.from.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    this.from.value = chosen;
  }
}

function where(chosen) {
  if (chosen === ONLY) return {};
  return chosen ? { from_step: chosen } : { back: true };
}

/** Steps before that with which it goes on by itself, else before the last that was begun: these are
 * done once more. @param names in the recipe's order @param begun by name @param again the name of
 * that step; null: behind all of them; undefined: nobody knows */
export function earlier(names, begun, again) {
  const known = names.filter((name) => begun.has(name));
  if (again === undefined) return known.slice(0, -1);
  return again === null ? known : known.filter((name) => names.indexOf(name) < names.indexOf(again));
}
