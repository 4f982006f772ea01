// Which of a job's events one wants to see, as one types it: `host:eu-1 step:unpack to:failed`, or the
// mere words, where the job knows what they are. Pure values.

const OUTCOMES = [
  "waiting", "queued", "running", "paused", "staged", "succeeded", "skipped", "failed", "cancelled",
  "rolled_back", "unknown", "lost", "unreachable", "connected", "halted", "soaking", "gate",
];

/**
 * `{host, step, kind, to}` as far as they are asked for; with `odd`, the first word that means nothing
 * here. @param known `has(host)`, `steps`, `kinds`: what the job has
 */
export function narrow(text, { has, steps, kinds }) {
  const means = {
    host: has,
    step: (word) => steps.includes(word),
    kind: (word) => kinds.includes(word),
    to: (word) => OUTCOMES.includes(word),
  };
  const wanted = {};
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const [, named, value] = /^(host|step|kind|to):(.*)$/.exec(word) ?? [null, null, word];
    const key = named ?? Object.keys(means).find((one) => means[one](value));
    if (!key || !means[key](value)) return { odd: word };
    wanted[key] = value;
  }
  return wanted;
}

/** The text with another kind in it, or with none. */
export function ofKind(text, kind) {
  const rest = text.split(/\s+/).filter((word) => word && !word.startsWith("kind:"));
  return [kind && `kind:${kind}`, ...rest].filter(Boolean).join(" ");
}

/** Is an item of the stream one of these? */
export function fits({ h, k, step, to }, wanted) {
  return Object.entries({ host: h, kind: k, step, to }).every(
    ([key, value]) => wanted[key] === undefined || wanted[key] === value,
  );
}
