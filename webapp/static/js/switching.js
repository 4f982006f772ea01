// The dialog before the switch: how many hosts are ready for it, and whether now or at a time.

import { fromOwnClock, nextHour, onOwnClock } from "./ownclock.js";
import { Question } from "./question.js";
import { fill, gettext, ngettext, number } from "./words.js";

export class Switching {
  /** @param onSaid is given the order's body: now, or at a time */
  constructor(onSaid) {
    this.onSaid = onSaid;
    this.question = new Question("switch");
    this.time = document.getElementById("switch-at");
    this.time.addEventListener("input", () => this.#allow());
  }

  ask({ start_at: at }, counts) {
    this.time.value = at ? onOwnClock(at) : nextHour();
    this.#allow();
    this.tell(counts);
    this.question.ask((said, note) =>
      this.onSaid({ ...(said === "at" ? { at: fromOwnClock(this.time.value) } : {}), ...note }),
    );
  }

  tell({ staged, staging }) {
    const ready = ngettext(
      "%(n)s host is staged and goes down when its batch does.",
      "%(n)s hosts are staged and go down batch after batch.",
      staged,
    );
    const late = ngettext(
      "%(n)s is not staged yet: it stages first, and goes down in its batch.",
      "%(n)s are not staged yet: they stage first, and go down in their batch.",
      staging,
    );
    const say = (text, n) => (n ? fill(text, { n: number(n) }) : "");
    const said = [fill(ready, { n: number(staged) }), say(late, staging)].filter(Boolean);
    this.question.say("what", said.join(" "));
  }

  /** Without a time there is nothing to set. */
  #allow() {
    this.question.offer(this.time.value ? ["at", "now"] : ["now"]);
  }
}

/** What a person presses to come to it. */
export function switchLabel(staged) {
  return [
    gettext("Switch…"),
    fill(ngettext("%(n)s host is staged", "%(n)s hosts are staged", staged), { n: number(staged) }),
  ];
}
