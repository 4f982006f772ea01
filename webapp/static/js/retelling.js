// Sentences that workers stored, in English as they are for everybody, told again in the reader's
// language. The server sends the patterns of its catalogue, those that say most first; see
// webapp/retelling.py, which does the same for what the server writes into a page itself.

const PLACE = /%\((\w+)\)[sdg]|%[sdg]|%%/g;
const known = new Map();
let patterns = null;

export function retold(text) {
  if (!text || !globalThis.django?.patterns?.length) return text ?? "";
  if (!known.has(text)) known.set(text, tell(text));
  return known.get(text);
}

/** A job, host runs or items of the stream, with what they say retold in place. */
export function retoldIn(...told) {
  for (const one of told)
    for (const key of ["reason", "error", "text", "link_reason"]) if (one[key]) one[key] = retold(one[key]);
}

function tell(text) {
  patterns ??= django.patterns.map(([regex, names, told]) => ({
    regex: new RegExp(`^(?:${regex})$`, "s"),
    names,
    told,
  }));
  for (const { regex, names, told } of patterns) {
    const found = regex.exec(text);
    if (found) return fill(told, new Map(names.map((name, n) => [name, retold(found[n + 1])])));
  }
  const end = text.indexOf(": ");
  return end < 0 ? text : text.slice(0, end + 2) + retold(text.slice(end + 2));
}

function fill(told, values) {
  let n = 0;
  return told.replace(PLACE, (place, name) => (place === "%%" ? "%" : values.get(name ?? String(n++))));
}
