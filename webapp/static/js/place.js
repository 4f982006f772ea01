// Where one is on the page of a job: which hosts show, which one is open. It lives in the URL, so
// that a link shows another person the same.

/** `{host, show: Set of states, cause, group, find, view: "" | "map" | "table", sort, lay: "" | "own", events}` */
export function read(search = location.search) {
  const query = new URLSearchParams(search);
  return {
    host: query.get("host") ?? "",
    show: new Set((query.get("show") ?? "").split(",").filter(Boolean)),
    cause: query.get("cause") ?? "",
    find: query.get("find") ?? "",
    group: query.get("group") ?? "",
    view: ["map", "table"].includes(query.get("view")) ? query.get("view") : "",
    sort: query.get("sort") ?? "",
    lay: query.get("lay") === "own" ? "own" : "",
    events: query.get("events") ?? "",
  };
}

export function write({ host, show, cause, find, group, view, sort, lay, events }, hash = "") {
  const query = new URLSearchParams();
  if (show.size) query.set("show", [...show].join(","));
  if (cause) query.set("cause", cause);
  if (find) query.set("find", find);
  if (group) query.set("group", group);
  if (view) query.set("view", view);
  if (sort) query.set("sort", sort);
  if (lay) query.set("lay", lay);
  if (events) query.set("events", events);
  if (host) query.set("host", host);
  const text = query.toString().replaceAll("%2C", ",");
  history.replaceState(null, "", (text ? `?${text}` : location.pathname) + hash);
}

/** A link to a line: `#eu-1/health/287`; `health@2` is its second attempt, `health@undo` an undo. */
export function lineHash({ host, step, n, kind, line }) {
  const which = `${kind === "undo" ? "undo" : ""}${n > 1 ? n : ""}`;
  return `#${host}/${step}${which ? `@${which}` : ""}/${line}`;
}

/** `{host, step, n, kind, line}`, or null where the address names no line. */
export function readLine(hash = location.hash) {
  const found = /^#([^/]+)\/([^/@]+)(?:@(undo)?(\d*))?\/(\d+)$/.exec(hash);
  if (!found) return null;
  const [, host, step, undo, n, line] = found;
  return { host, step, n: Number(n || 1), kind: undo ? "undo" : "do", line: Number(line) };
}
