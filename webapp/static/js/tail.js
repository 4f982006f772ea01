// The last lines that a step printed on a host, for who has to say what became of it.

import { parse } from "./ansi.js";
import { element } from "./dom.js";
import { doubted } from "./doubt.js";
import { read } from "./reading.js";
import { AttemptLog } from "./transcript.js";
import { clock, fill, gettext } from "./words.js";
import { looksWrong } from "./wrong.js";

const SHOWN = 8;
/** More than that many lines of a usual length. */
const BYTES = 16 * 1024;

/** `{attempt, lines}` of the attempt in doubt; null where there is none. @param url of the host */
export async function tailOf(url, step, wanted) {
  const attempt = doubted((await read(`${url}/attempts`, { wanted })).attempts, step);
  if (!attempt) return null;
  const query = new URLSearchParams({ step, attempt: attempt.n, kind: attempt.kind, limit: BYTES });
  const log = new AttemptLog(attempt);
  log.load(await read(`${url}/output?${query}`, { wanted }));
  return { attempt, lines: log.printed.lines.slice(-SHOWN) };
}

/** What is said above them. */
export function headOf(host, { attempt, lines }) {
  const said = lines.length
    ? gettext("What “%(step)s” printed last on %(host)s:")
    : gettext("“%(step)s” has printed nothing on %(host)s.");
  return fill(said, { step: attempt.step, host });
}

export function drawn({ text, style, at }) {
  const pieces = parse(text, style).pieces.map((piece) =>
    element("span", { class: piece.classes || null }, piece.text),
  );
  const wrong = looksWrong(text);
  return element(
    "li",
    { class: wrong ? "wrong" : null, title: wrong ? gettext("looks like an error") : null },
    element("time", {}, clock(at)),
    element("code", {}, ...pieces),
  );
}
