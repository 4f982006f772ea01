// Hosts of which nobody knows how they stand: whose outcome is unknown, and who cannot be reached.
// Neither counts as failed. Pure.

/** Milliseconds: a connection that breaks is mostly back before anybody could do anything. */
export const PATIENCE = 15_000;

/** Those whose outcome a person has to tell, together by the step that is in doubt and by why it
 * is: `[{step, why, hosts}]`, most hosts first. */
export function inDoubt(hosts) {
  return together(hosts, ({ state }) => state === "unknown");
}

/** Those that have been out of reach for a while, whatever the connection does meanwhile, together
 * by why: `[{why, hosts}]`, most hosts first. */
export function outOfReach(hosts, now = Date.now()) {
  const away = (host) => host.shown === "unreachable" && host.state !== "unknown" && !isBrief(host, now);
  return together(hosts, away, () => "");
}

/** Why nobody knows how a host stands, without what all in doubt have in common. */
export function whyOf({ state, error, reason, link_reason: away }) {
  if (error || state !== "unknown") return error || away || "";
  // Whether a step ran is not known: which one stands beside it.
  return (reason || away || "").replace(/^[^:：“]*“[^”]*”[^:：]*[:：]\s*/, "");
}

function together(hosts, belongs, stepOf = ({ step }) => step ?? "") {
  const found = new Map();
  for (const host of hosts) {
    if (!belongs(host)) continue;
    const [step, why] = [stepOf(host), folded(host)];
    const key = `${step}:${why}`;
    if (!found.has(key)) found.set(key, { step, why, hosts: [] });
    found.get(key).hosts.push(host);
  }
  return [...found.values()].sort((a, b) => b.hosts.length - a.hosts.length);
}

/** What is left of it for all of whom the same is true. */
function folded({ name, address, ...host }) {
  const own = [name, address].filter(Boolean);
  return own.reduce((said, word) => said.replaceAll(word, "…"), whyOf(host)).replace(/\d+(?:[.:]\d+)*/g, "…");
}

function isBrief({ link_at: at }, now) {
  return at !== undefined && now - Date.parse(at) < PATIENCE;
}
