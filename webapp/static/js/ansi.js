// Output as text and colours. Of all that a terminal would obey only colours and weight (SGR) are
// honoured; every other control is spelled out, as in the download. Linear in the input's length.

const COLOUR = /\x1b\[([0-9;:]*)m/g;
// C0 and C1 controls but tab, what turns the writing direction, and what hides. As in logs.py.
const DANGEROUS =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const ESCAPE = /\x1b\[[0-9;:?]*[A-Za-z]/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
const COLOURS = ["", "a-red", "a-green", "a-yellow", "a-blue", "a-magenta", "a-cyan", ""];

export const PLAIN = Object.freeze({
  bold: false,
  italic: false,
  underline: false,
  dim: false,
  colour: "",
});

/**
 * One line without its newline, in the style that was in force before it:
 * `{pieces: [{text, classes}], style}`; style goes on with the next line.
 */
export function parse(line, style = PLAIN) {
  const pieces = [];
  let at = 0;
  for (const found of line.matchAll(COLOUR)) {
    add(pieces, line.slice(at, found.index), style);
    style = next(style, found[1]);
    at = found.index + found[0].length;
  }
  const end = line.endsWith("\r") ? line.length - 1 : line.length;
  add(pieces, line.slice(at, Math.max(at, end)), style);
  return { pieces, style };
}

/** Only the style after the line: cheap enough for a hundred thousand of them. */
export function styleAfter(line, style = PLAIN) {
  if (!line.includes("\x1b")) return style;
  for (const found of line.matchAll(COLOUR)) style = next(style, found[1]);
  return style;
}

export function spelledOut(text) {
  return text.replace(DANGEROUS, (found) => {
    const code = found.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function add(pieces, text, style) {
  if (text) pieces.push({ text: spelledOut(text), classes: classes(style) });
}

function classes({ bold, italic, underline, dim, colour }) {
  return [bold && "a-b", italic && "a-i", underline && "a-u", colour || (dim && "a-dim")]
    .filter(Boolean)
    .join(" ");
}

function next(style, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  let changed = style;
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (code === 38 || code === 48) {
      // An extended colour swallows what belongs to it: 38;5;n or 38;2;r;g;b.
      const indexed = codes[i + 1] === 5;
      if (code === 38)
        changed = {
          ...changed,
          colour: (indexed && codes[i + 2] < 16 && COLOURS[codes[i + 2] % 8]) || "",
        };
      i += indexed ? 2 : 4;
    } else {
      changed = { ...changed, ...plainCode(code) };
    }
  }
  return changed;
}

function plainCode(code) {
  if (code === 0) return PLAIN;
  if (code === 1) return { bold: true };
  if (code === 2) return { dim: true };
  if (code === 3) return { italic: true };
  if (code === 4) return { underline: true };
  if (code === 22) return { bold: false, dim: false };
  if (code === 23) return { italic: false };
  if (code === 24) return { underline: false };
  if (code === 39) return { colour: "" };
  if (code === 90) return { colour: "a-dim" };
  if (code >= 30 && code <= 37) return { colour: COLOURS[code - 30] };
  if (code >= 91 && code <= 97) return { colour: COLOURS[code - 90] };
  return {};
}

/** Text in parts, `[part, whether it is the needle]`; the needle is in lower case. */
export function marked(text, needle) {
  if (!needle) return [[text, false]];
  const parts = [];
  const lower = text.toLowerCase();
  let at = 0;
  // Some letters grow in lower case: places would no longer be the same.
  const found = () => (lower.length === text.length ? lower.indexOf(needle, at) : -1);
  for (let hit = found(); hit >= 0; hit = found()) {
    if (hit > at) parts.push([text.slice(at, hit), false]);
    parts.push([text.slice(hit, hit + needle.length), true]);
    at = hit + needle.length;
  }
  if (at < text.length) parts.push([text.slice(at), false]);
  return parts;
}

/** Without colours and controls: as the server compares lines. */
export function bare(text) {
  return text.replace(ESCAPE, "").replace(CONTROLS, " ").trim();
}
