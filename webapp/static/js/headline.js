// The sentence at the top, in the title of the page and for the ear; and what explains it.

import { element, setText } from "./dom.js";
import { named } from "./names.js";
import { isBeforeSwitch, pieces } from "./verdict.js";
import { fill, gettext, moment, until } from "./words.js";

/** Read aloud, the sentence must not change faster than it is spoken. */
const SPOKEN_EVERY = 15_000; // milliseconds
/** Hosts that are down and named under the sentence. */
const NAMED = 4;

export class Headline {
  /** @param parts {say, more, spoken} @param onPick a host that was named is chosen */
  constructor(parts, { model, onPick }) {
    Object.assign(this, { ...parts, model, onPick, said: "", explained: "", spokenAt: 0 });
    this.title = document.title;
  }

  /** @param pace {slow, left}: hosts that are slow, and seconds, null where nobody knows */
  paint(batches, { slow, left }) {
    const { limit } = this.model.job;
    const unfit = this.model.gates.get(0)?.gate === "gate";
    const situation = { ...this.model.troubles(), unfit, limit, slow, left };
    const said = pieces(this.model.job, batches, situation);
    const text = said.map((piece) => piece.text).join("");
    if (text !== this.said) {
      this.said = text;
      this.say.replaceChildren(...said.map(toned));
      document.title = `${text.replace(/[.。]$/, "")} · ${this.title}`;
    }
    this.#explain();
  }

  tick(now) {
    this.#explain(now);
    if (now - this.spokenAt < SPOKEN_EVERY) return;
    this.spokenAt = now;
    setText(this.spoken, this.said);
  }

  /** How far off the switch is, why the job is halted, and which hosts are down: why they are stands
   * among the causes, once. */
  #explain(now = Date.now()) {
    const { job, hosts } = this.model;
    const downs = [...hosts.values()].filter(({ down }) => down).map(({ name }) => name);
    const reason = this.model.ended ? "" : job.reason;
    const opens = job.start_at ? ahead(job, now) : "";
    const explained = JSON.stringify([reason, opens, downs]);
    if (explained === this.explained) return;
    this.explained = explained;
    const lines = [opens, reason].filter(Boolean).map((text) => element("span", {}, text));
    this.more.replaceChildren(...lines, ...(downs.length ? [this.#down(downs)] : []));
  }

  #down(names) {
    const those = named(names, { most: NAMED, onPick: this.onPick });
    return element("span", { class: "down" }, element("i", { class: "sq failed" }), gettext("Down:"), " ", those);
  }
}

/** What happens at the time that was set, in the reader's own; "" once it has come. */
function ahead(job, now) {
  const switches = isBeforeSwitch(job, now);
  const begins = job.state === "waiting" && !job.cancelled && Date.parse(job.start_at) > now;
  if (!switches && !begins) return "";
  const text = switches
    ? gettext("Hosts begin to go down at %(at)s, in %(span)s.")
    : gettext("It begins at %(at)s, in %(span)s.");
  return fill(text, {
    at: moment(job.start_at, new Date(now)),
    span: until((Date.parse(job.start_at) - now) / 1000),
  });
}

function toned({ text, tone }) {
  if (!tone) return text;
  return element("b", { class: tone === "failed" ? "ink-failed" : null }, text);
}
