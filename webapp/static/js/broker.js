// What the page of a job says while the broker is broken, as the server's own _broker.html does.

import { element } from "./dom.js";
import { fill, gettext, moment } from "./words.js";

const SAYS = {
  away: () =>
    gettext(
      "The message broker has not answered since %(since)s. Orders are kept and begin within 20 s; checks of hosts and night calls wait for it.",
    ),
  full: () =>
    gettext(
      "The message broker has been full since %(since)s. Orders are kept and begin within 20 s; checks of hosts and night calls wait for it.",
    ),
};

/** @param trouble {word, since}, or null where it is well */
export function paintBroker(node, trouble) {
  const says = trouble ? fill(SAYS[trouble.word](), { since: moment(trouble.since) }) : "";
  // What has not changed is not read aloud again.
  if (node.textContent.trim() === says) return;
  node.replaceChildren(...(says ? [element("li", { class: "note error", role: "alert" }, says)] : []));
}
