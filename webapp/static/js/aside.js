// Hosts that are put aside: left out before they begin, excluded after they have failed. What that
// means for them, and for the job, is said before; why is asked for.

import { Question } from "./question.js";
import { fill, gettext, ngettext, number } from "./words.js";

export class Aside {
  #model;
  #orders;
  #question = new Question("aside");

  constructor({ model, orders }) {
    this.#model = model;
    this.#orders = orders;
  }

  /** Hosts that have failed. @param refusal where a refusal is said */
  exclude(hosts, button, refusal) {
    const n = hosts.length;
    this.#say(
      fill(ngettext("Exclude %(n)s host?", "Exclude %(n)s hosts?", n), { n: number(n) }),
      [
        ngettext(
          "It stays failed, but counts no more against the limit, and a retry of all leaves it as it is. It can still be retried by itself.",
          "They stay failed, but count no more against the limit, and a retry of all leaves them as they are. Each can still be retried by itself.",
          n,
        ),
        this.#thenGoesOn(hosts),
        this.#stillDown(hosts),
      ],
      gettext("Exclude"),
    );
    this.#question.ask((_, note) =>
      this.#orders.give("exclude", { hosts, ...note }, button, { refusal }),
    );
  }

  /** A host that has not begun, or not gone down. */
  leaveOut(host, button, refusal) {
    this.#say(
      fill(gettext("Leave out %(host)s?"), { host }),
      [
        gettext(
          "This job will not touch it; it ends as skipped, and is free for other jobs. This cannot be taken back.",
        ),
      ],
      gettext("Leave it out"),
    );
    this.#question.ask((_, note) =>
      this.#orders.give("skip", { hosts: [host], ...note }, button, { refusal }),
    );
  }

  #say(title, what, press) {
    this.#question.say("title", title);
    this.#question.say("what", what.filter(Boolean).join(" "));
    this.#question.say("press", press);
  }

  #thenGoesOn(hosts) {
    const { job } = this.#model;
    if (job.state !== "halted") return "";
    const others = this.#model.failing - hosts.length;
    if (job.limit !== null && others > job.limit)
      return fill(gettext("The job stays halted: %(n)s others failed, at most %(limit)s may."), {
        n: number(others),
        limit: number(job.limit),
      });
    return gettext("The job goes on, unless something else holds it.");
  }

  #stillDown(hosts) {
    const down = hosts.filter((name) => this.#model.hosts.get(name)?.down).length;
    return down
      ? fill(
          ngettext(
            "%(n)s of them is down and stays down.",
            "%(n)s of them are down and stay down.",
            down,
          ),
          { n: number(down) },
        )
      : "";
  }
}
