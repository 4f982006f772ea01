// Which hosts a text means: those that have all its words in their name, address or labels; or, where
// it is a list of names, as one pastes it from a ticket, those hosts. Pure values.

/** Host -> all that is searched of it. */
const texts = new WeakMap();

/** The words of a text; between names of a list there may be commas. */
export function words(text) {
  return [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
}

/** `(host) => boolean`; null where the text asks for nothing. @param isName whether a host is called so */
export function finder(text, isName = () => false) {
  const wanted = words(text);
  if (!wanted.length) return null;
  if (/[,;]/.test(text) || (wanted.length > 1 && wanted.every(isName))) {
    const names = new Set(wanted);
    return ({ name }) => names.has(name);
  }
  const lower = wanted.map((word) => word.toLowerCase());
  return (host) => lower.every((word) => searched(host).includes(word));
}

function searched(host) {
  const known = texts.get(host);
  if (known !== undefined) return known;
  const labels = Object.entries(host.labels ?? {}).map((pair) => pair.join("="));
  const text = [host.name, host.address ?? "", ...labels].join(" ").toLowerCase();
  texts.set(host, text);
  return text;
}
