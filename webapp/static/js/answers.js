// What became of a step on several hosts at once: how far it came is shown, which hosts are meant is
// ticked, what each answer leads to is said for that many, and nothing is answered for a host that is
// not named there.

import { spelledOut } from "./ansi.js";
import { element } from "./dom.js";
import { downSince, leadsTo, nextOf } from "./doubt.js";
import { Question } from "./question.js";
import { Refused } from "./reading.js";
import { drawn, headOf, tailOf } from "./tail.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Milliseconds for which the question waits to open with what was printed: later, that moves it. */
const WITHIN = 1000;

export class Answers {
  #orders;
  #model;
  #rules;
  #url;
  #question = new Question("answers");
  #list = document.getElementById("answers-hosts");
  #tail = document.getElementById("answers-tail");
  #step = "";
  #attempt = null; // of which is shown what it printed
  #told = ""; // the host whose it is

  /** @param page as the server wrote it */
  constructor({ page, model, orders }) {
    this.#orders = orders;
    this.#model = model;
    this.#rules = page.rules;
    this.#url = page.urls.job;
    this.#list.addEventListener("change", () => {
      this.#count();
      this.#tell(this.#chosen()[0]);
    });
  }

  /** @param hosts that wait, `{name, why}` @param refusal where a refusal is said */
  async ask({ step, hosts }, button, refusal) {
    const values = { step, n: number(hosts.length) };
    const title = step
      ? ngettext(
          "What became of “%(step)s” on %(n)s host?",
          "What became of “%(step)s” on %(n)s hosts?",
          hosts.length,
        )
      : ngettext("What became of %(n)s host?", "What became of %(n)s hosts?", hosts.length);
    this.#question.say("title", fill(title, values));
    this.#list.replaceChildren(...hosts.map(choice));
    this.#step = step;
    this.#told = "";
    const late = new Promise((go) => setTimeout(go, WITHIN));
    await Promise.race([this.#tell(hosts[0].name), late]);
    this.#count();
    this.#question.ask((answer, note) => {
      const body = { hosts: this.#chosen(), answer, ...note };
      this.#orders.give("answer", body, button, { refusal, url: `${this.#url}/answer` });
    });
    this.#tail.scrollTop = this.#tail.scrollHeight;
  }

  #chosen() {
    return [...this.#list.querySelectorAll("input:checked")].map(({ value }) => value);
  }

  /** How far the step came on one of them: what one decides by. */
  async #tell(host) {
    if (!host || !this.#step || this.#told === host) return;
    this.#told = host;
    this.#show(null);
    try {
      const url = `${this.#url}/hosts/${encodeURIComponent(host)}`;
      const tail = await tailOf(url, this.#step, () => this.#told === host);
      if (this.#told === host) this.#show(tail);
    } catch (error) {
      if (!(error instanceof Refused) && this.#told === host) throw error;
    }
  }

  #show(tail) {
    this.#attempt = tail?.attempt ?? null;
    this.#question.say("printed", tail ? headOf(this.#told, tail) : "");
    this.#tail.replaceChildren(...(tail?.lines ?? []).map(drawn));
    this.#tail.hidden = !tail?.lines.length;
    this.#tail.scrollTop = this.#tail.scrollHeight;
    this.#count();
  }

  #count() {
    const step = this.#step;
    const { job, steps } = this.#model;
    const next = nextOf(step, { steps, rules: this.#rules, job, attempt: this.#attempt });
    const to = leadsTo({ step, next, repeat: this.#rules[step]?.repeat }, this.#chosen().length);
    for (const [answer, text] of Object.entries(to.said)) this.#question.say(answer, text);
    this.#question.say("refused", to.refused);
    const since = this.#attempt?.kind === "do" ? downSince(step, { steps, rules: this.#rules }) : "";
    const down = gettext("For all that is known, the server there has been down since “%(since)s”.");
    this.#question.say("down", since ? fill(down, { since }) : "");
    this.#question.offer(to.offered);
  }
}

function choice({ name, why }) {
  const box = element("input", { type: "checkbox", value: name, checked: true });
  const because = why ? element("small", { class: "muted" }, spelledOut(why)) : null;
  return element("li", {}, element("label", {}, box, element("span", {}, name), because));
}
