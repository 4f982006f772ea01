// Sentences in the reader's language; numbers, spans and moments as people read them.
// The catalogue is Django's own script, which has run before any module of the page does.

const catalogue = globalThis.django?.gettext
  ? globalThis.django
  : {
      gettext: (text) => text,
      ngettext: (one, many, n) => (n === 1 ? one : many),
    };

export const { gettext, ngettext } = catalogue;

/** Put values into the %(name)s places of a sentence. */
export function fill(text, values) {
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => values[name]);
}

const format = new Intl.NumberFormat(globalThis.document?.documentElement.lang || "en");

const tenths = new Intl.NumberFormat(globalThis.document?.documentElement.lang || "en", {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

export function number(n) {
  return format.format(n);
}

/** Bytes as a person reads them, in the units of Django's filesizeformat. */
export function size(bytes) {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  if (!power) return fill(ngettext("%(n)s byte", "%(n)s bytes", bytes), { n: number(bytes) });
  return `${tenths.format(bytes / 1024 ** power)} ${["KB", "MB", "GB"][power - 1]}`;
}

/** As long as a person reads it: "48 s", "4 min 12 s", "5 min", "1 h 3 min". */
export function duration(span) {
  const whole = Math.max(0, Math.round(span));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const parts = { hours, minutes, seconds };
  if (hours) return fill(minutes ? gettext("%(hours)d h %(minutes)d min") : gettext("%(hours)d h"), parts);
  if (minutes)
    return fill(seconds ? gettext("%(minutes)d min %(seconds)d s") : gettext("%(minutes)d min"), parts);
  return fill(gettext("%(seconds)d s"), parts);
}

/** How far off something is: to the minute, until the last. */
export function until(seconds) {
  return duration(seconds <= 90 ? seconds : 60 * Math.round(seconds / 60));
}

/** Of a step: a tenth of a second counts while it is short. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "";
  return seconds < 9.95
    ? fill(gettext("%(seconds)s s"), { seconds: Math.max(0, seconds).toFixed(1) })
    : duration(seconds);
}

/** The reader's own time of day, "03:12:08". */
export function clock(at, { seconds = true } = {}) {
  const moment = new Date(at);
  const parts = [moment.getHours(), moment.getMinutes(), ...(seconds ? [moment.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** A moment as one says it: "03:12" today, "21 Nov 03:12" else. */
export function moment(at, now = new Date()) {
  const then = new Date(at);
  const time = clock(then, { seconds: false });
  if (then.toDateString() === now.toDateString()) return time;
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  const day = then.toLocaleDateString(globalThis.document?.documentElement.lang || "en", {
    day: "numeric",
    month: "short",
    year,
  });
  return `${day} ${time}`;
}
