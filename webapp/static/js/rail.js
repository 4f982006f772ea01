// The batches, left to right: how large, how far, how many failed.

import { element, setText } from "./dom.js";
import { bar, fillBar } from "./marks.js";
import { HOST_ENDED } from "./states.js";
import { FAILED, batchState, count, currentBatch } from "./verdict.js";
import { clock, fill, gettext, ngettext, number } from "./words.js";

export class Rail {
  constructor(root) {
    this.root = root;
    this.entries = new Map();
  }

  paint(batches, running) {
    const current = running ? currentBatch(batches) : null;
    const failed = batches.reduce((sum, { counts }) => sum + count(counts, FAILED), 0);
    for (const batch of batches) {
      const entry = this.entries.get(batch.n) ?? this.#add(batch);
      const total = batch.hosts.length;
      const done = count(batch.counts, HOST_ENDED);
      const state = batchState(batch);
      setText(entry.done, state === "waiting" ? number(total) : `${number(done)}/${number(total)}`);
      setText(entry.small, this.#say(state, batch, batch.n === current ? failed : null));
      fillBar(entry.bar, batch.shown, total);
      if (batch.n === current) entry.item.setAttribute("aria-current", "step");
      else entry.item.removeAttribute("aria-current");
    }
  }

  #add({ n, canary }) {
    const done = element("span");
    const small = element("small");
    const shares = bar();
    const name = canary ? gettext("canary") : "";
    const item = element(
      "li",
      {},
      element("span", { class: "t" }, element("b", {}, String(n)), name, done),
      shares,
      small,
    );
    this.root.append(item);
    const entry = { item, done, small, bar: shares };
    this.entries.set(n, entry);
    return entry;
  }

  /** @param used of the batch that is under way: failures of the job until now */
  #say(state, { counts, gate, until, budget }, used) {
    if (gate === "gate") return gettext("done, waits to be promoted");
    if (gate === "soaking")
      return fill(gettext("must stay well until %(time)s"), {
        time: clock(until, { seconds: false }),
      });
    if (used !== null && budget > 0)
      return fill(
        ngettext("%(used)s of %(budget)s failure used", "%(used)s of %(budget)s failures used", budget),
        { used: number(used), budget: number(budget) },
      );
    const failed = count(counts, FAILED);
    if (failed)
      return fill(ngettext("%(n)s failed", "%(n)s failed", failed), { n: number(failed) });
    if (state === "waiting") return gettext("waits");
    if (state === "cancelled") return gettext("cancelled");
    if (state === "succeeded") return gettext("done");
    const active = count(counts, ["queued", "running", "paused"]);
    const rest = counts.waiting ?? 0;
    const running = fill(gettext("%(n)s running"), { n: number(active) });
    return rest ? `${running}, ${fill(gettext("%(n)s to go"), { n: number(rest) })}` : running;
  }
}
