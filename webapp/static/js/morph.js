// Makes a part of the page equal to what the server says now, and keeps what stays the same: the
// focus, a selection, a fold that was opened.

/** A pointer that rests that long points at nothing. */
const RESTS_AFTER = 10_000; // milliseconds
let moved = -RESTS_AFTER;

for (const sign of ["pointermove", "pointerdown", "keydown"])
  addEventListener(sign, ({ timeStamp }) => (moved = timeStamp), { passive: true });

/** What was pressed may go: its effect is what is waited for. */
export function release() {
  moved = -RESTS_AFTER;
}

/**
 * Change `old` into `fresh`, which is used up. Children are told apart by their id or data-key;
 * what is marked data-kept is the page's own. Nothing comes or goes before what a person points at
 * or is in, nor in what stands above it (`firm`). Gives whether something was held back for that.
 */
export function morph(old, fresh, firm = false) {
  if (old.isEqualNode(fresh)) return false;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return false;
  }
  if (old.dataset.kept !== undefined) return false;
  dress(old, fresh);
  return fill(old, fresh, firm);
}

function fill(old, fresh, firm) {
  const before = named(old.childNodes);
  const after = named(fresh.childNodes);
  const used = pointedAt(old);
  const still = firm ? elements(before) !== elements(after) : holdsStill(used, before, after);
  let held = still;
  let next = old.firstChild;
  for (const [name, node] of after) {
    const known = before.get(name);
    if (known) held = morph(known, node, firm || isAbove(known, used)) || held;
    if (still) continue;
    if (known && known === next) next = next.nextSibling;
    else old.insertBefore(known ?? document.adoptNode(node), next);
  }
  if (!still) for (const [name, node] of before) if (!after.has(name)) node.remove();
  return held;
}

/** The child that a person points at, or is in. */
function pointedAt(old) {
  if (performance.now() - moved > RESTS_AFTER) return undefined;
  return [...old.children].find((child) => child.matches(":hover, :focus-within"));
}

function isAbove(node, used) {
  if (!used || node === used || node.nodeType !== Node.ELEMENT_NODE) return false;
  return node.getBoundingClientRect().bottom <= used.getBoundingClientRect().top;
}

/** Would the child in use get another place? */
function holdsStill(used, before, after) {
  if (!used) return false;
  const isUsed = (name) => before.get(name) === used;
  return elements(before, isUsed) !== elements(after, isUsed);
}

/** The names of those that are elements, to the last one; none where that one is not there. */
function elements(children, isLast) {
  const all = [...children].filter(([, node]) => node.nodeType === Node.ELEMENT_NODE);
  const names = all.map(([name]) => name);
  return (isLast ? names.slice(0, names.findIndex(isLast) + 1) : names).join();
}

/** Children by name: their own, or their kind and place among those that have none. */
function named(nodes) {
  const counts = {};
  return new Map(
    [...nodes].map((node) => {
      const own = node.id || node.dataset?.key;
      const kind = node.nodeName;
      return [own ? `#${own}` : `${kind} ${(counts[kind] = (counts[kind] ?? 0) + 1)}`, node];
    }),
  );
}

function dress(old, fresh) {
  // Whether a fold is open is the reader's own.
  const own = old.nodeName === "DETAILS" ? "open" : "";
  for (const { name, value } of fresh.attributes)
    if (name !== own && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of old.getAttributeNames())
    if (name !== own && !fresh.hasAttribute(name)) old.removeAttribute(name);
}
