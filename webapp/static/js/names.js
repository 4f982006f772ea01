// Names of hosts in a sentence: a few, each of which opens its host, and how many more there are.

import { element } from "./dom.js";
import { fill, gettext, number } from "./words.js";

/** @param onPick is given the name that was pressed */
export function named(names, { most, onPick }) {
  const said = element("span", { class: "names" });
  names.slice(0, most).forEach((name, i) => {
    const open = element("button", { type: "button", class: "linkish", "data-does": name }, name);
    open.addEventListener("click", () => onPick(name));
    said.append(i ? gettext(", ") : "", open);
  });
  const more = names.length - most;
  if (more > 0) said.append(" ", fill(gettext("and %(n)s more"), { n: number(more) }));
  return said;
}
