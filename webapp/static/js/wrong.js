// Lines that look like errors, also in steps that ended well: a wrapper may have swallowed what broke.
// Only in what has been read. Pure.

import { bare } from "./ansi.js";

let wrong = [];
let harmless = [];

/** @param marks `{wrong, harmless}`: patterns, as deploy_tasks/causes.py gives them */
export function judgeBy(marks) {
  [wrong, harmless] = [marks.wrong, marks.harmless].map((all) => all.map(([text, flags]) => new RegExp(text, flags)));
}

export function looksWrong(text) {
  const said = bare(text);
  return wrong.some((one) => one.test(said)) && !harmless.some((one) => one.test(said));
}

/** The place of the first such line of an attempt behind a place; null where none has been read. */
export function wrongAfter({ printed: { lines, first } }, place) {
  const from = Math.max(0, place + 1 - first);
  const found = lines.slice(from).findIndex(({ text }) => looksWrong(text));
  return found < 0 ? null : first + from + found;
}

export function countWrong({ printed: { lines } }) {
  return lines.filter(({ text }) => looksWrong(text)).length;
}
