// The sentence at the top, in the title of the page and for the ear; and what explains it.

import { element, setText } from "./dom.js";
import { beyond } from "./halted.js";
import { named } from "./names.js";
import { left } from "./report.js";
import { isBeforeSwitch, pieces } from "./verdict.js";
import { fill, gettext, moment, until } from "./words.js";

/** Read aloud, the sentence must not change faster than it is spoken. */
const SPOKEN_EVERY = 15_000; // milliseconds
/** Hosts that are down and named under the sentence. */
const NAMED = 4;

export class Headline {
  /** @param parts {say, more, spoken} @param onPick a host that was named is chosen
   * @param onSlow those that are slow are to show @param failed gives the hosts that failed, as the
   * server tells them */
  constructor(parts, { model, onPick, onSlow, failed }) {
    Object.assign(this, { ...parts, model, onPick, onSlow, failed, said: "", explained: "", spokenAt: 0 });
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
      this.say.replaceChildren(...said.map((piece) => this.#toned(piece)));
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

  /** How far off the switch is, why the job is halted, which hosts that failed are down, and how the
   * others were left: why they failed stands among the causes, once. */
  #explain(now = Date.now()) {
    const { job, hosts } = this.model;
    const downs = [...hosts.values()].filter(({ down }) => down).map(({ name }) => name);
    const over = this.model.ended || isLetGo(this.model, now);
    const reason = over ? "" : beyond(job, this.model);
    const opens = job.start_at ? ahead(job, now) : "";
    const up = left(this.failed());
    const explained = JSON.stringify([reason, opens, downs, up]);
    if (explained === this.explained) return;
    this.explained = explained;
    const line = (text) => (text ? [element("span", {}, text)] : []);
    const others = up && fill(gettext("Failed, but not down: %(left)s."), { left: up });
    this.more.replaceChildren(
      ...line(opens),
      ...line(reason),
      ...(downs.length ? [this.#down(downs)] : []),
      ...line(others),
    );
  }

  #toned({ text, tone }) {
    if (!tone) return text;
    if (tone !== "slow") return element("b", { class: tone === "failed" ? "ink-failed" : null }, text);
    const show = element("button", { type: "button", class: "linkish" }, text);
    show.addEventListener("click", this.onSlow);
    return show;
  }

  #down(names) {
    const those = named(names, { most: NAMED, onPick: this.onPick });
    return element("span", { class: "down" }, element("i", { class: "sq failed" }), gettext("Down:"), " ", those);
  }
}

/** Nobody holds it any more, and no worker has looked: what its reason tells is past. */
function isLetGo({ job, gates }, now) {
  return job.state === "paused" && !job.pause && !gates.size && !isBeforeSwitch(job, now);
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
