// A moment in an <input type="datetime-local">: it is typed on the reader's own clock.

/** What the input is given to show `at`. */
export function onOwnClock(at) {
  const moment = new Date(at);
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** ISO 8601 in UTC of what was typed; empty for nothing. */
export function fromOwnClock(typed) {
  return typed ? new Date(typed).toISOString() : "";
}

/** The next full hour, as the input shows it. */
export function nextHour() {
  const next = new Date();
  next.setHours(next.getHours() + 1, 0, 0, 0);
  return onOwnClock(next);
}
