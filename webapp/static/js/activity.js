// Who did what, and what the job did by itself: the chapters of its story, newest first.

import { element } from "./dom.js";
import { clock, fill, gettext, moment, ngettext, number } from "./words.js";

const SHOWN = 30;

export class Activity {
  constructor(root, items) {
    this.root = root;
    this.add(items);
  }

  add(items) {
    for (const item of items) {
      const text = sentence(item);
      if (text)
        this.root.prepend(
          element(
            "li",
            { class: "act-row" },
            element(
              "time",
              { datetime: item.at, title: moment(item.at) },
              clock(item.at, { seconds: false }),
            ),
            element("p", {}, text),
          ),
        );
    }
    while (this.root.children.length > SHOWN) this.root.lastChild.remove();
  }
}

export function sentence(item) {
  if (item.k === "order") return order(item);
  if (item.k === "note") return item.text ?? "";
  if (item.k === "batch" && item.n === 0) return CHECK[item.to] ?? "";
  if (item.k === "batch") return fill(BATCH[item.to] ?? gettext("Batch %(n)s: %(to)s"), item);
  const text = JOB[item.to] ?? item.to;
  return text + (item.reason ? gettext(": ") + item.reason : gettext("."));
}

const JOB = {
  waiting: gettext("The job waits"),
  running: gettext("The job runs"),
  paused: gettext("The job is paused"),
  halted: gettext("The job is halted, nothing new starts"),
  succeeded: gettext("The job succeeded"),
  failed: gettext("The job failed"),
  cancelled: gettext("The job is cancelled"),
};

const BATCH = {
  running: gettext("Batch %(n)s began."),
  succeeded: gettext("Batch %(n)s is done."),
  failed: gettext("Batch %(n)s is done, with failures."),
  cancelled: gettext("Batch %(n)s was cancelled."),
  soaking: gettext("Batch %(n)s is done and must stay well for a while."),
  gate: gettext("Batch %(n)s is done; the next one waits to be promoted."),
};

/** Of the hosts, before the first batch. */
const CHECK = {
  running: gettext("The hosts are checked again."),
  soaking: gettext("Workers look at the hosts before the first batch."),
  gate: gettext("Not all hosts are fit; a person has to say how it goes on."),
  succeeded: gettext("The hosts are checked; the first batch may begin."),
};

const PAUSE = {
  batch: gettext("%(who)s paused the job after this batch."),
  host: gettext("%(who)s paused the job after the hosts that run."),
  step: gettext("%(who)s paused the job after the steps that run."),
};

const ANSWER = {
  it_ran: gettext("%(who)s said of %(which)s: it ran."),
  it_did_not_run: gettext("%(who)s said of %(which)s: it did not run."),
  give_up: gettext("%(who)s gave up %(which)s."),
};

function order(item) {
  const { at, who, what, hosts, host, note, after, batch, terms, by_job, opens, answer } = item;
  const { from_step: step } = item;
  const many =
    hosts === undefined
      ? ""
      : fill(ngettext("%(n)s host", "%(n)s hosts", hosts), { n: number(hosts) });
  const values = { who, hosts: many, host: host ?? "", n: batch ?? "" };
  const text =
    {
      start: fill(gettext("%(who)s started the update of %(hosts)s."), values),
      retry: step
        ? fill(gettext("%(who)s retried %(hosts)s from “%(step)s”."), { ...values, step })
        : fill(gettext("%(who)s retried %(hosts)s."), values),
      cancel: fill(gettext("%(who)s cancelled the job."), values),
      pause: fill(PAUSE[after] ?? PAUSE.host, values),
      skip: fill(gettext("%(who)s left out %(hosts)s."), values),
      exclude: fill(gettext("%(who)s excluded %(hosts)s."), values),
      change: fill(gettext("%(who)s changed the terms: %(terms)s."), {
        who,
        terms: Object.entries(terms ?? {})
          .map((pair) => pair.join(" "))
          .join(", "),
      }),
      rollback: fill(gettext("%(who)s rolled the job back, with job #%(n)s."), {
        who,
        n: by_job ?? "",
      }),
      resume: fill(gettext("%(who)s resumed the job."), values),
      check: fill(gettext("%(who)s had the hosts checked again."), values),
      promote: fill(
        batch === undefined
          ? gettext("%(who)s began all the same.")
          : gettext("%(who)s promoted batch %(n)s."),
        values,
      ),
      switch: fill(
        Date.parse(opens) > Date.parse(at)
          ? gettext("%(who)s set the switch to %(opens)s.")
          : gettext("%(who)s began the switch."),
        { who, opens: opens ? moment(opens) : "" },
      ),
      answer: fill(ANSWER[answer] ?? gettext("%(who)s said what became of %(which)s."), {
        who,
        which: host ?? many,
      }),
    }[what] ?? [who, what, many].filter(Boolean).join(" ");
  return note ? `${text} ${note}` : text;
}
