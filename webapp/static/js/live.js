// Keeps parts of a page up to date while a worker is still finding something out: asks the server
// for the page again, and takes over the parts that are marked. What they say is the server's.

import { tellTimes } from "./page.js";

const EVERY = 1000; // milliseconds
const ANSWER_WITHIN = 10_000;

if (pending(document)) setTimeout(refresh, EVERY);

async function refresh() {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(ANSWER_WITHIN) });
    if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The next round may reach the server again.
  }
  if (pending(document)) setTimeout(refresh, EVERY);
}

/** Parts marked data-settled have something to press: they are left alone until nothing is pending. */
function takeOver(fresh) {
  const parts = pending(fresh) ? "[data-live]" : "[data-live], [data-settled]";
  for (const old of document.querySelectorAll(parts)) {
    const part = fresh.getElementById(old.id);
    if (!part) continue;
    tellTimes(part);
    if (!part.isEqualNode(old)) old.replaceWith(document.adoptNode(part));
  }
}

function pending(page) {
  return page.querySelector("[data-pending]") !== null;
}
