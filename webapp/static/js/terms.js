// The terms of a job while it runs: how many hosts at a time, how many may fail, who opens the next
// batch, how long one soaks. What a change means is said while it is typed; only what differs is sent.

import { give } from "./giving.js";
import { setText } from "./dom.js";
import { duration, fill, gettext, number } from "./words.js";

const NAMES = ["parallel", "max_failed", "max_failed_in_batch", "soak", "stagger", "gate"];
/** Where nothing is written there is no limit. */
const LIMITS = ["max_failed", "max_failed_in_batch"];

export class Terms {
  #model;
  #url;
  #dialog;
  #form;
  #before = {};

  /** @param onGiven an order was taken */
  constructor({ model, url, onGiven }) {
    this.#model = model;
    this.#url = `${url}/change`;
    this.#dialog = document.getElementById("terms");
    this.#form = this.#dialog.querySelector("form");
    this.#form.addEventListener("input", () => this.#tell());
    // Enter in a field is no answer yet.
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
    });
    this.#form.addEventListener("submit", async (event) => {
      if (event.submitter.value === "") return;
      event.preventDefault();
      const note = this.#form.elements.note.value.trim();
      const body = { ...this.#changed(), ...(note ? { note } : {}) };
      const refusal = this.#dialog.querySelector(".refusal");
      if (!(await give(this.#url, body, event.submitter, refusal))) return;
      this.#form.elements.note.value = "";
      this.#dialog.close();
      onGiven();
    });
  }

  open() {
    this.#before = this.#model.job.rollout;
    const { gate } = this.#before;
    const { options } = this.#form.elements.gate;
    // One for each batch: it can be left as it is, or be one for all.
    if (![...options].some(({ value }) => value === shown(gate)))
      options.add(new Option(gate.map((one) => this.#word("gate", one)).join(gettext(", ")), gate));
    for (const name of NAMES) this.#form.elements[name].value = shown(this.#before[name]);
    setText(this.#dialog.querySelector(".refusal"), "");
    this.#tell();
    this.#dialog.showModal();
  }

  #changed() {
    const given = NAMES.map((name) => [name, read(name, this.#form.elements[name].value)]);
    return Object.fromEntries(
      given.filter(([name, value]) => shown(value) !== shown(this.#before[name])),
    );
  }

  #tell() {
    const changed = this.#changed();
    const said = Object.entries(changed).map(([name, value]) =>
      fill(gettext("%(name)s: %(now)s instead of %(before)s."), {
        name: this.#form.elements[name].labels[0].textContent.trim(),
        now: this.#word(name, value),
        before: this.#word(name, this.#before[name]),
      }),
    );
    if (this.#model.job.state === "halted" && LIMITS.some((name) => name in changed))
      said.push(gettext("With a larger limit the job goes on."));
    setText(
      this.#dialog.querySelector("[data-say=what]"),
      said.join(" ") || gettext("Nothing is changed yet. What runs now goes on as it is."),
    );
    this.#dialog.querySelector("[value=change]").disabled = !said.length;
  }

  #word(name, value) {
    if (value === null || value === undefined) return gettext("no limit");
    if (name === "gate") {
      const known = [...this.#form.elements.gate.options].find((one) => one.value === shown(value));
      return known?.text ?? shown(value);
    }
    if (Array.isArray(value)) return value.map((one) => this.#word(name, one)).join(gettext(", "));
    if (typeof value !== "number") return String(value);
    return name === "soak" || name === "stagger" ? duration(value) : number(value);
  }
}

/** As it stands in its field. */
function shown(value) {
  return value === null || value === undefined ? "" : String(value);
}

function read(name, text) {
  const given = text.trim();
  if (given.includes(",")) return given.split(",").map((part) => read(name, part));
  if (!given) return LIMITS.includes(name) ? null : "";
  return /^\d+(\.\d+)?$/.test(given) ? Number(given) : given;
}
