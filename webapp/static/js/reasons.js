// Hosts grouped by why something is so: left out of a job, in its way, worth a look.

import { element } from "./dom.js";
import { square } from "./marks.js";
import { fill, gettext, number } from "./words.js";

/** Names of hosts that are spelled out. */
const NAMED = 8;

/** Entries are {host, reason}; `state` is that of the squares. */
export function reasons(title, entries, state) {
  const byReason = new Map();
  for (const { host, reason } of entries) {
    // A reason that names its host is the same reason for the next one.
    const key = host ? reason.replaceAll(host, "…") : reason;
    byReason.set(key, [...(byReason.get(key) ?? []), host].filter(Boolean));
  }
  return element(
    "div",
    { class: "pad" },
    element("h3", { class: state === "failed" ? "ink-failed" : null }, title),
    element(
      "dl",
      { class: "why-list" },
      ...[...byReason].map(([reason, hosts]) =>
        element(
          "div",
          {},
          element("dt", {}, square(state), reason),
          element(
            "dd",
            {},
            hosts.slice(0, NAMED).join(", ") +
              (hosts.length > NAMED
                ? ` ${fill(gettext("and %(n)s more"), { n: number(hosts.length - NAMED) })}`
                : ""),
          ),
        ),
      ),
    ),
  );
}
