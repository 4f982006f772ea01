// Orders for the whole job that a person may give now, and what each will do. A refusal stands beside
// the button pressed.

import { element, setText } from "./dom.js";
import { give } from "./giving.js";
import { Question } from "./question.js";
import { nth } from "./rail.js";
import { Reason } from "./reason.js";
import { goesOn } from "./report.js";
import { Switching, switchLabel } from "./switching.js";
import { Terms } from "./terms.js";
import { count } from "./verdict.js";
import { fill, gettext, ngettext, number } from "./words.js";

/** Orders that are given by one press. */
const ASKS_NOTHING = ["retry", "promote", "resume", "check"];

/** The buttons of the verdict: only what makes sense now. */
export class Orders {
  /** @param root the place of the buttons @param refusal where a refusal is said @param told hosts
   * that failed by their names, as the server tells them; null where it has not */
  constructor(root, refusal, { model, url, again, told, onGiven }) {
    Object.assign(this, { root, refusal, model, url, told, onGiven });
    this.again = element(
      "a",
      { class: "btn act", href: again, hidden: true },
      element("span", {}, gettext("Order it again…")),
      element("small", {}, gettext("the same hosts and terms")),
    );
    this.retry = this.#button("", () => this.give("retry", { back: true }, this.retry));
    this.promote = this.#button("main", () =>
      this.give("promote", { batch: this.gated?.n }, this.promote),
    );
    this.promoteRest = this.#button("", () =>
      this.give("promote", { batch: this.gated?.n, rest: true }, this.promoteRest),
    );
    this.switching = new Switching((body) => this.give("switch", body, this.switch));
    this.switch = this.#button("main", () => this.switching.ask(this.model.job, this.ready));
    this.check = this.#button("", () => this.give("check", {}, this.check));
    this.resume = this.#button("", () => this.give("resume", {}, this.resume));
    this.pausing = new Question("pause");
    this.pause = this.#button("", () =>
      this.pausing.ask((after, note) => this.give("pause", { after, ...note }, this.pause)),
    );
    const terms = new Terms({ model, url, onGiven });
    this.change = this.#button("", () => terms.open());
    this.stopping = new Question("cancel");
    this.cancel = this.#button("danger", () =>
      this.stopping.ask((how, note) => this.#stop(how, note)),
    );
    this.going = new Question("rollback");
    this.rollback = this.#button("danger", () => this.going.ask((_, note) => this.#goBack(note)));
    this.why = element(
      "button",
      { class: "btn s why", type: "button", "aria-expanded": "false", "aria-controls": "reason" },
      gettext("Give a reason…"),
    );
    this.reason = new Reason(this.why, document.getElementById("reason"));
    root.append(
      this.check,
      this.promote,
      this.promoteRest,
      this.switch,
      this.resume,
      this.retry,
      this.pause,
      this.change,
      this.rollback,
      this.again,
      this.cancel,
      this.why,
    );
  }

  /** @param can what may be ordered now @param batches of the model */
  paint(can, batches) {
    const counts = {};
    for (const { state } of this.model.hosts.values()) counts[state] = (counts[state] ?? 0) + 1;
    const waiting = count(counts, ["waiting", "queued", "staged"]);
    const active = count(counts, ["running", "paused", "unknown"]);
    this.#paintRetry(can, waiting, active);
    this.#paintRollback(can, count(counts, ["succeeded", "failed", "cancelled"]));
    this.#paintHolds(can, batches, waiting, count(counts, ["running"]));
    this.cancel.hidden = !can.includes("cancel") || (this.model.job.cancelled && active === 0);
    this.#paintCancel(can, waiting, active);
    this.change.hidden = !can.includes("change");
    this.again.hidden = !this.again.href || !this.model.ended;
    this.why.hidden = !can.some((order) => ASKS_NOTHING.includes(order));
    const { parallel } = this.model.job.rollout;
    this.#label(
      this.change,
      gettext("Change…"),
      fill(gettext("%(n)s at a time, limits, gate"), { n: parallel }),
    );
  }

  #paintRetry(can, waiting, active) {
    const names = this.model.retryable;
    const n = names.length;
    this.retry.hidden = !can.includes("retry") || (n === 0 && this.model.job.state !== "halted");
    if (n === 0) {
      const none = active ? "" : gettext("no host is left: it ends");
      this.#label(this.retry, gettext("Go on"), waiting ? waits(waiting) : none);
      return;
    }
    const text =
      this.model.failing === n
        ? ngettext("Retry %(n)s failed", "Retry %(n)s failed", n)
        : ngettext("Retry %(n)s host", "Retry %(n)s hosts", n);
    const told = this.told(names);
    const where = told
      ? goesOn(told)
      : ngettext("from where it stopped", "each from where it stopped", n);
    this.#label(this.retry, fill(text, { n: number(n) }), where);
  }

  /** What holds the job and what lets it go on. */
  #paintHolds(can, batches, waiting, running) {
    const unfit = this.model.gates.get(0)?.gate === "gate";
    this.check.hidden = !can.includes("check") || !unfit;
    this.#label(this.check, gettext("Check again"), gettext("the hosts that are not fit are mended"));
    this.gated = unfit ? { n: 0 } : batches.find(({ gate }) => gate);
    this.promote.hidden = !can.includes("promote") || !this.gated;
    if (this.gated) {
      const next = batches.find(({ n }) => n > this.gated.n);
      // What soaks goes on by itself, and is better left to.
      this.promote.classList.toggle("main", unfit || this.gated.gate === "gate");
      this.#label(
        this.promote,
        unfit ? gettext("Begin all the same") : fill(gettext("Promote batch %(n)s"), this.gated),
        next
          ? fill(ngettext("%(n)s host may start", "%(n)s hosts may start", next.hosts.length), {
              n: number(next.hosts.length),
            })
          : gettext("it need not stay well any longer"),
      );
    }
    this.#paintPromoteRest(can, batches);
    this.switch.hidden = !can.includes("switch");
    const sum = (...states) => batches.reduce((n, { counts }) => n + count(counts, states), 0);
    this.ready = { staged: sum("staged"), staging: sum("waiting", "queued", "running", "paused") };
    this.#label(this.switch, ...switchLabel(this.ready.staged));
    this.switching.tell(this.ready);
    this.resume.hidden = !can.includes("resume");
    const hosts = waiting ? waits(waiting) : "";
    this.#label(this.resume, gettext("Resume"), hosts);
    this.pause.hidden = !can.includes("pause");
    this.#label(this.pause, gettext("Pause…"), hosts);
    const say = (which, text) => this.pausing.say(which, text);
    say("batch", gettext("the next one does not open"));
    say(
      "host",
      fill(ngettext("%(n)s runs to its end", "%(n)s run to their end", running), {
        n: number(running),
      }),
    );
    say(
      "step",
      fill(
        ngettext("%(n)s stands still after its step", "%(n)s stand still after their step", running),
        { n: number(running) },
      ),
    );
  }

  /** Where more gates wait for a person. After the last batch there is none. */
  #paintPromoteRest(can, batches) {
    const { gate } = this.model.job.rollout;
    const later = batches.filter(
      ({ n }, i) => n > this.gated?.n && i < batches.length - 1 && nth(gate, n) === "manual",
    ).length;
    this.promoteRest.hidden = this.promote.hidden || !can.includes("change") || later === 0;
    const small = ngettext("%(n)s more gate opens by itself", "%(n)s more gates open by themselves", later);
    this.#label(this.promoteRest, gettext("Promote all"), fill(small, { n: number(later) }));
  }

  #paintRollback(can, done) {
    this.rollback.hidden = !can.includes("rollback");
    const hosts = fill(ngettext("%(n)s host", "%(n)s hosts", done), { n: number(done) });
    this.#label(this.rollback, gettext("Roll back…"), hosts);
    this.going.say(
      "what",
      fill(
        ngettext(
          "What was done on up to %(n)s host is undone.",
          "What was done on up to %(n)s hosts is undone.",
          done,
        ),
        { n: number(done) },
      ),
    );
  }

  /** A first cancel lets a step end that must not be interrupted; a second one can end that, too. */
  #paintCancel(can, waiting, active) {
    const again = this.model.job.cancelled;
    const n = { n: number(active) };
    if (again) {
      this.stopping.offer(["force"]);
      const small = ngettext("%(n)s still ends a step", "%(n)s still end a step", active);
      this.#label(this.cancel, gettext("Force…"), fill(small, n));
      this.stopping.say(
        "what",
        fill(
          ngettext(
            "%(n)s host ends a step that should not be interrupted. By force it is ended where it stands, and the host may be left down.",
            "%(n)s hosts end a step that should not be interrupted. By force it is ended where it stands, and hosts may be left down.",
            active,
          ),
          n,
        ),
      );
      return;
    }
    const never = waiting
      ? fill(ngettext("%(n)s never starts", "%(n)s never start", waiting), { n: number(waiting) })
      : "";
    const stopped = active ? fill(ngettext("%(n)s is stopped", "%(n)s are stopped", active), n) : "";
    const small = [never, stopped].filter(Boolean).join(gettext(", "));
    this.#label(this.cancel, gettext("Cancel…"), small);
    this.stopping.offer([...(can.includes("skip") ? ["rest"] : []), "undo", "leave"]);
    const untouched = ngettext(
      "%(n)s host that waits will not be touched.",
      "%(n)s hosts that wait will not be touched.",
      waiting,
    );
    this.stopping.say("what", waiting ? fill(untouched, { n: number(waiting) }) : "");
    this.stopping.say(
      "rest",
      fill(ngettext("%(n)s goes to its end, and then the job is over", "%(n)s go to their end, and then the job is over", active), n),
    );
    this.stopping.say(
      "undo",
      fill(ngettext("%(n)s ends where it stands; what was done on it is taken back", "%(n)s end where they stand; what was done on them is taken back", active), n),
    );
    this.stopping.say(
      "leave",
      fill(ngettext("%(n)s ends where it stands, and may be left down", "%(n)s end where they stand, and may be left down", active), n),
    );
  }

  #stop(how, note) {
    if (how === "rest") return this.give("skip", { rest: true, ...note }, this.cancel);
    return this.give("cancel", { force: how === "force", undo: how !== "leave", ...note }, this.cancel);
  }

  async #goBack(note) {
    const back = await this.give("rollback", note, this.rollback);
    if (back) location.assign(back.url);
  }

  /** Give one order; `button` is the one that was pressed. Gives the answer, if it was taken. */
  async give(order, body, button, { refusal = this.refusal, url = `${this.url}/${order}` } = {}) {
    const told = await give(url, this.reason.given(body), button, refusal);
    if (!told) return told;
    this.reason.taken();
    this.onGiven();
    return told;
  }

  #button(kind, act) {
    const button = element(
      "button",
      { class: `btn act ${kind}`, type: "button", hidden: true },
      element("span"),
      element("small"),
    );
    button.addEventListener("click", act);
    return button;
  }

  #label(button, text, small) {
    setText(button.firstChild, text);
    setText(button.lastChild, small);
  }
}

function waits(n) {
  return fill(ngettext("%(n)s host waits", "%(n)s hosts wait", n), { n: number(n) });
}
