// Lines that look like errors, also in steps that ended well: a wrapper may have swallowed what broke.
// Only in what has been read. Pure.

import { bare } from "./ansi.js";

/** What names itself an error, and what the system says; as in deploy_tasks/causes.py. */
const NAMED =
  /[A-Za-z](?:Error|Exception)\b|\b(?:ERROR|SEVERE|FATAL|CRITICAL)\b|\b(?:error|fatal|panic)(?:: | while )/;
const SYSTEM =
  /no space left|quota exceeded|read-only file system|input\/output error|address already in use|cannot allocate|out of memory|too many open files|segmentation fault|permission denied|command not found|cannot open/i;
const HARMLESS = /\b(?:WARN|WARNING|INFO|DEBUG)\b|\b(?:0|no|without) (?:errors?|failures?)\b/i;

export function looksWrong(text) {
  const said = bare(text);
  return (NAMED.test(said) || SYSTEM.test(said)) && !HARMLESS.test(said);
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
