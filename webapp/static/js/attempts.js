// Which of a host's attempts one wants to read. Pure.

/** The last that failed; of an undo that did, what it was to take back: with that it began. */
export function broken(attempts) {
  const failed = attempts.filter(({ state }) => state === "failed" || state === "lost");
  const last = failed.at(-1);
  if (last?.kind !== "undo") return last;
  const began = failed.findLast(({ kind }) => kind === "do");
  const since = attempts.slice(attempts.indexOf(began) + 1);
  return since.some(({ kind }) => kind === "do") ? last : (began ?? last);
}
