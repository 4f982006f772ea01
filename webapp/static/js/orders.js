// Orders a person may give now, and what each will do. An order is a POST to the API; its effect
// comes back over the stream like everybody else's. A refusal stands beside the button pressed.

import { element, setText } from "./dom.js";
import { count } from "./verdict.js";
import { fill, gettext, ngettext, number } from "./words.js";

const ANSWER_WITHIN = 20_000; // milliseconds
const RETRYABLE = ["failed", "cancelled", "rolled_back"];

/** POST an order. Gives the answer; throws Refused with the server's own words. */
export async function post(url, body = {}) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
  } catch {
    throw new Refused(
      gettext(
        "The server did not answer. Whether the order arrived will show here; if not, give it again.",
      ),
    );
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  throw new Refused(
    told.error?.message ?? fill(gettext("Refused (HTTP %(status)s)."), { status: answer.status }),
  );
}

export class Refused extends Error {}

/** The buttons of the verdict: only what makes sense now. */
export class Orders {
  /** @param root the place of the buttons @param refusal where a refusal is said */
  constructor(root, refusal, { model, url, onGiven }) {
    Object.assign(this, { root, refusal, model, url, onGiven });
    this.dialog = document.getElementById("cancel");
    this.retry = this.#button("", () => this.give("retry", {}, this.retry));
    this.promote = this.#button("main", () =>
      this.give("promote", { batch: this.gated?.n }, this.promote),
    );
    this.switch = this.#button("main", () => this.give("switch", {}, this.switch));
    this.check = this.#button("", () => this.give("check", {}, this.check));
    this.resume = this.#button("", () => this.give("resume", {}, this.resume));
    this.pausing = document.getElementById("pause");
    this.pause = this.#button("", () => this.pausing.showModal());
    this.cancel = this.#button("danger", () => this.dialog.showModal());
    this.going = document.getElementById("rollback");
    this.rollback = this.#button("danger", () => this.going.showModal());
    root.append(
      this.check,
      this.promote,
      this.switch,
      this.resume,
      this.retry,
      this.pause,
      this.rollback,
      this.cancel,
    );
    this.going.addEventListener("close", async () => {
      if (this.going.returnValue !== "rollback") return;
      this.going.returnValue = "";
      const back = await this.give("rollback", {}, this.rollback);
      if (back) location.assign(back.url);
    });
    this.pausing.addEventListener("close", () => {
      const after = this.pausing.returnValue;
      if (after) this.give("pause", { after }, this.pause);
      this.pausing.returnValue = "";
    });
    this.dialog.addEventListener("close", () => {
      if (this.dialog.returnValue === "cancel")
        this.give("cancel", { force: this.model.job.cancelled }, this.cancel);
      this.dialog.returnValue = "";
    });
  }

  paint(can) {
    const counts = {};
    for (const { state } of this.model.hosts.values()) counts[state] = (counts[state] ?? 0) + 1;
    const again = count(counts, RETRYABLE);
    const waiting = count(counts, ["waiting", "queued", "staged"]);
    const active = count(counts, ["running", "paused", "unknown"]);
    this.retry.hidden = !can.includes("retry");
    if (again === 0)
      this.#label(
        this.retry,
        gettext("Go on"),
        fill(ngettext("%(n)s host waits", "%(n)s hosts wait", waiting), { n: number(waiting) }),
      );
    else
      this.#label(
        this.retry,
        counts.failed === again
          ? fill(ngettext("Retry %(n)s failed", "Retry %(n)s failed", again), { n: number(again) })
          : fill(ngettext("Retry %(n)s host", "Retry %(n)s hosts", again), { n: number(again) }),
        ngettext("from its failed step", "each from its failed step", again),
      );
    this.#paintRollback(can, count(counts, ["succeeded", "failed", "cancelled"]));
    this.#paintHolds(can, waiting, count(counts, ["running"]));
    this.cancel.hidden = !can.includes("cancel") || (this.model.job.cancelled && active === 0);
    this.#paintCancel(waiting, active);
  }

  /** What holds the job and what lets it go on. */
  #paintHolds(can, waiting, running) {
    const batches = this.model.batches();
    const unfit = this.model.gates.get(0)?.gate === "gate";
    this.check.hidden = !can.includes("check") || !unfit;
    this.#label(this.check, gettext("Check again"), gettext("the hosts that are not fit are mended"));
    this.gated = unfit ? { n: 0 } : batches.find(({ gate }) => gate);
    this.promote.hidden = !can.includes("promote") || !this.gated;
    if (this.gated) {
      const next = batches.find(({ n }) => n > this.gated.n);
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
    this.switch.hidden = !can.includes("switch");
    const staged = batches.reduce((sum, { counts }) => sum + (counts.staged ?? 0), 0);
    this.#label(
      this.switch,
      gettext("Switch now"),
      fill(ngettext("%(n)s host is staged", "%(n)s hosts are staged", staged), {
        n: number(staged),
      }),
    );
    this.resume.hidden = !can.includes("resume");
    const hosts = fill(ngettext("%(n)s host waits", "%(n)s hosts wait", waiting), {
      n: number(waiting),
    });
    this.#label(this.resume, gettext("Resume"), hosts);
    this.pause.hidden = !can.includes("pause");
    this.#label(this.pause, gettext("Pause…"), hosts);
    const say = (which, text) =>
      setText(this.pausing.querySelector(`[data-say=${which}]`), text);
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

  #paintRollback(can, done) {
    this.rollback.hidden = !can.includes("rollback");
    const hosts = fill(ngettext("%(n)s host", "%(n)s hosts", done), { n: number(done) });
    this.#label(this.rollback, gettext("Roll back…"), hosts);
    setText(
      this.going.querySelector("[data-say]"),
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
  #paintCancel(waiting, active) {
    const again = this.model.job.cancelled;
    const say = (text) => setText(this.dialog.querySelector("[data-say]"), text);
    setText(
      this.dialog.querySelector("[value=cancel]"),
      again ? gettext("End it by force") : gettext("Cancel the job"),
    );
    if (again) {
      this.#label(
        this.cancel,
        gettext("Force…"),
        fill(ngettext("%(n)s still ends a step", "%(n)s still end a step", active), {
          n: number(active),
        }),
      );
      say(
        fill(
          ngettext(
            "%(n)s host ends a step that should not be interrupted. By force it is ended where it stands, and the host may be left down.",
            "%(n)s hosts end a step that should not be interrupted. By force it is ended where it stands, and hosts may be left down.",
            active,
          ),
          { n: number(active) },
        ),
      );
      return;
    }
    this.#label(
      this.cancel,
      gettext("Cancel…"),
      [
        waiting
          ? fill(ngettext("%(n)s never starts", "%(n)s never start", waiting), {
              n: number(waiting),
            })
          : "",
        active
          ? fill(ngettext("%(n)s is stopped", "%(n)s are stopped", active), { n: number(active) })
          : "",
      ]
        .filter(Boolean)
        .join(gettext(", ")),
    );
    say(
      [
        waiting
          ? fill(
              ngettext(
                "%(n)s host that waits will not be touched.",
                "%(n)s hosts that wait will not be touched.",
                waiting,
              ),
              { n: number(waiting) },
            )
          : "",
        active
          ? fill(
              ngettext(
                "%(n)s host is being updated: its step is ended where it stands, unless the recipe forbids that.",
                "%(n)s hosts are being updated: their step is ended where it stands, unless the recipe forbids that.",
                active,
              ),
              { n: number(active) },
            )
          : "",
      ]
        .filter(Boolean)
        .join(" "),
    );
  }

  /** Give one order; `button` is the one that was pressed. Gives the answer, if it was taken. */
  async give(order, body, button, { refusal = this.refusal, url = `${this.url}/${order}` } = {}) {
    if (button.disabled) return null;
    button.disabled = true;
    setText(refusal, "");
    try {
      const told = await post(url, body);
      this.onGiven();
      return told;
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      setText(refusal, refused.message);
      return null;
    } finally {
      button.disabled = false;
    }
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
