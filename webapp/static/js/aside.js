// Hosts that are put aside: left out before they begin, excluded after they have failed. What that
// means for them, and for the job, is said before; why is asked for.

import { Question } from "./question.js";
import { FAILED } from "./states.js";
import { fill, gettext, ngettext, number } from "./words.js";

export class Aside {
  #model;
  #orders;
  #question = new Question("aside");

  constructor({ model, orders }) {
    this.#model = model;
    this.#orders = orders;
  }

  /** Hosts that have failed, or of which nobody knows how they stand. @param refusal where a refusal is said */
  exclude(hosts, button, refusal) {
    const n = hosts.length;
    this.#say(
      fill(ngettext("Exclude %(n)s host?", "Exclude %(n)s hosts?", n), { n: number(n) }),
      [
        this.#givenUp(hosts),
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

  /** Those that have not failed: what may run there still is not waited for. */
  #givenUp(hosts) {
    const n = hosts.filter((name) => !FAILED.has(this.#model.hosts.get(name)?.state)).length;
    return n
      ? fill(
          ngettext(
            "%(n)s host is given up: it fails now, is free for other jobs, and a step that may still run there is ended before anything else starts on it.",
            "%(n)s hosts are given up: they fail now, are free for other jobs, and a step that may still run there is ended before anything else starts on them.",
            n,
          ),
          { n: number(n) },
        )
      : "";
  }

  #thenGoesOn(hosts) {
    const { job } = this.#model;
    if (job.state !== "halted") return "";
    const others = [...this.#model.hosts.values()].filter(
      ({ name, state, excluded }) => FAILED.has(state) && !excluded && !hosts.includes(name),
    ).length;
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
