// What became of a step on several hosts at once: which hosts are meant is ticked, what each answer
// leads to is said for that many, and nothing is answered for a host that is not named there.

import { spelledOut } from "./ansi.js";
import { element } from "./dom.js";
import { Question } from "./question.js";
import { fill, gettext, ngettext, number } from "./words.js";

export class Answers {
  #orders;
  #url;
  #question = new Question("answers");
  #list = document.getElementById("answers-hosts");

  /** @param url of the job */
  constructor({ orders, url }) {
    this.#orders = orders;
    this.#url = url;
    this.#list.addEventListener("change", () => this.#count());
  }

  /** @param hosts that wait, `{name, why}` @param refusal where a refusal is said */
  ask({ step, hosts }, button, refusal) {
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
    this.#count();
    this.#question.ask((answer, note) => {
      const body = { hosts: this.#chosen(), answer, ...note };
      this.#orders.give("answer", body, button, { refusal, url: `${this.#url}/answer` });
    });
  }

  #chosen() {
    return [...this.#list.querySelectorAll("input:checked")].map(({ value }) => value);
  }

  #count() {
    const n = this.#chosen().length;
    const many = { n: number(n) };
    const say = (which, text) => this.#question.say(which, fill(text, many));
    say("it_ran", ngettext("%(n)s host goes on with the next step", "%(n)s hosts go on with the next step", n));
    say("it_did_not_run", ngettext("the step is tried again on %(n)s host", "the step is tried again on %(n)s hosts", n));
    say("give_up", ngettext("%(n)s host counts as failed, and is free for other jobs", "%(n)s hosts count as failed, and are free for other jobs", n));
    this.#question.offer(n ? ["it_ran", "it_did_not_run", "give_up"] : []);
  }
}

function choice({ name, why }) {
  const box = element("input", { type: "checkbox", value: name, checked: true });
  const because = why ? element("small", { class: "muted" }, spelledOut(why)) : null;
  return element("li", {}, element("label", {}, box, name, because));
}
