// The sentence at the top, in the title of the page and for the ear; and what explains it.

import { spelledOut } from "./ansi.js";
import { element, setText } from "./dom.js";
import { isBeforeSwitch, pieces } from "./verdict.js";
import { fill, gettext, moment, number, until } from "./words.js";

/** Read aloud, the sentence must not change faster than it is spoken. */
const SPOKEN_EVERY = 15_000; // milliseconds
/** Hosts that are down and named under the sentence. */
const NAMED = 3;

export class Headline {
  /** @param parts {say, more, spoken} @param onPick a host that was named is chosen
   * @param why the line that tells why a host failed, where one is known */
  constructor(parts, { model, onPick, why }) {
    Object.assign(this, { ...parts, model, onPick, why, said: "", explained: "", spokenAt: 0 });
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

  /** Why the job is halted, which hosts are down, and how far off the switch is. */
  #explain(now = Date.now()) {
    const { job, hosts } = this.model;
    const all = [...hosts.values()].filter(({ down }) => down);
    const downs = all.map(({ name, error }) => ({ name, why: this.why(name) || error }));
    const reason = this.model.ended ? "" : job.reason;
    const opens = job.start_at ? ahead(job, now) : "";
    const explained = JSON.stringify([reason, opens, downs]);
    if (explained === this.explained) return;
    this.explained = explained;
    const more = downs.length - NAMED;
    const lines = downs.slice(0, NAMED).map((host) => this.#down(host));
    if (opens) lines.unshift(element("span", {}, opens));
    if (reason) lines.unshift(element("span", {}, reason));
    if (more > 0) {
      lines.push(
        element("span", {}, fill(gettext("and %(n)s more are down"), { n: number(more) })),
      );
    }
    this.more.replaceChildren(...lines);
  }

  #down({ name, why }) {
    const open = element("button", { type: "button", class: "linkish" }, name);
    open.addEventListener("click", () => this.onPick(name));
    const text = why ? ` ${gettext("is down:")} ${spelledOut(why)}` : ` ${gettext("is down")}`;
    return element("span", { class: "down" }, element("i", { class: "sq failed" }), open, text);
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
