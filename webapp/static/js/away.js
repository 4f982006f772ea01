// Hosts of which nobody knows how they stand: whose outcome is unknown, and who cannot be reached.
// Neither counts as failed. Pure.

/** Milliseconds: a connection that breaks is mostly back before anybody could do anything. */
export const PATIENCE = 15_000;

/** Those whose outcome a person has to tell, together by the step that is in doubt:
 * `[{step, hosts}]`, most hosts first. */
export function inDoubt(hosts) {
  const found = new Map();
  for (const host of hosts) {
    if (host.state !== "unknown") continue;
    const step = host.step ?? "";
    if (!found.has(step)) found.set(step, { step, hosts: [] });
    found.get(step).hosts.push(host);
  }
  return [...found.values()].sort((a, b) => b.hosts.length - a.hosts.length);
}

/** Those that have been out of reach for a while, whatever the connection does meanwhile. */
export function outOfReach(hosts, now = Date.now()) {
  const found = [];
  for (const host of hosts)
    if (host.shown === "unreachable" && host.state !== "unknown" && !isBrief(host, now))
      found.push(host);
  return found;
}

function isBrief({ link_at: at }, now) {
  return at !== undefined && now - Date.parse(at) < PATIENCE;
}
