// Single keys, each for something that shows at once; none of them starts, cancels or retries.

/** Milliseconds in which the second key of two is awaited. */
const SECOND = 1500;

/**
 * @param act what each key does, by its name, "g j" for two in turn; a key whose act gives false
 * does what it would have done
 */
export function listen(act) {
  let first = "";
  let until = 0;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event.target)) return;
    const pair = event.timeStamp < until ? `${first} ${event.key}` : "";
    const chosen = act[pair] ?? act[event.key];
    first = event.key;
    until = Object.keys(act).some((name) => name.startsWith(`${event.key} `))
      ? event.timeStamp + SECOND
      : 0;
    if (chosen && chosen() !== false) event.preventDefault();
  });
}

/** Where a person writes, or is being asked something, keys are letters. */
function isTaken(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio]), select, textarea, dialog[open]");
}
