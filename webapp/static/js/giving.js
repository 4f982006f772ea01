// Gives an order: a POST to the API. Its effect comes back over the stream like everybody else's.

import { setText } from "./dom.js";
import { fill, gettext } from "./words.js";

const ANSWER_WITHIN = 20_000; // milliseconds

/** The server's answer; throws Refused with its own words. */
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

/** The same by a button, which cannot be pressed again meanwhile; a refusal is said where it shows.
 * Gives the answer, if the order was taken. */
export async function give(url, body, button, refusal) {
  if (button.disabled) return null;
  button.disabled = true;
  setText(refusal, "");
  try {
    return await post(url, body);
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    setText(refusal, refused.message);
    return null;
  } finally {
    button.disabled = false;
  }
}
