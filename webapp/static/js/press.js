// Buttons that give one order each: data-order is where it is posted, data-body what it says. A
// refusal stands beside the button that was pressed; the effect shows as everybody else's.

import { setText } from "./dom.js";
import { post, Refused } from "./giving.js";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("button[data-order]");
  if (!button || button.ariaBusy === "true") return;
  const refusal = button.parentElement.querySelector(".refusal");
  button.ariaBusy = "true";
  setText(refusal, "");
  try {
    await post(button.dataset.order, JSON.parse(button.dataset.body ?? "{}"));
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    setText(refusal, refused.message);
  } finally {
    button.ariaBusy = null;
    document.dispatchEvent(new Event("given"));
  }
});
