// The steps from left to right: how many hosts are at each, how long it takes, how many failed in
// it. Where a job is stuck shows here first.

import { element, setText } from "./dom.js";
import { fill, gettext, ngettext, number, span } from "./words.js";

export class Steps {
  #root;
  #entries;
  #broken = null;

  constructor(root, steps) {
    this.#root = root;
    this.#entries = new Map(
      steps.map((step) => {
        const here = element("b");
        const time = element("span");
        const failed = element("span", { class: "ink-failed" });
        const item = element(
          "li",
          {},
          element("span", { class: "t" }, step, here),
          element("small", {}, time, failed),
        );
        root.append(item);
        return [step, { item, here, time, failed }];
      }),
    );
  }

  /** As GET /jobs/{id}/pace tells them. */
  paint({ steps, slow }, hosts) {
    for (const { step, p50, p95, running, failed } of steps) {
      const { here, time, failed: broken } = this.#entries.get(step);
      setText(here, running ? number(running) : "");
      here.title = gettext("hosts at this step now");
      const late = slow.filter((name) => hosts.get(name)?.step === step).length;
      setText(
        time,
        [
          p50 === null ? "" : span(p50),
          late ? fill(ngettext("%(n)s slow", "%(n)s slow", late), { n: number(late) }) : "",
        ]
          .filter(Boolean)
          .join(gettext(", ")),
      );
      time.title =
        p50 === null
          ? ""
          : fill(gettext("half of the hosts took at most %(p50)s, nearly all at most %(p95)s"), {
              p50: span(p50),
              p95: span(p95),
            });
      setText(
        broken,
        failed
          ? gettext(", ") + fill(ngettext("%(n)s failed", "%(n)s failed", failed), { n: number(failed) })
          : "",
      );
    }
    this.#show(steps.findLast(({ failed }) => failed)?.step);
  }

  /** Where there is no room for all of them, the last in which hosts fail is seen; once, for a
   * person may look at others. */
  #show(step) {
    if (!step || step === this.#broken) return;
    this.#broken = step;
    const beyond = this.#entries.get(step).item.getBoundingClientRect().right;
    this.#root.scrollLeft += Math.max(0, beyond - this.#root.getBoundingClientRect().right);
  }
}
