"""Why a step failed, in few words that are the same for all hosts with the same trouble. Pure.

Of what a step printed last, the line that tells most; and of that line what is left when all that
differs from host to host is folded away.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache

from deploy_tasks.visible import spelled

#: Characters of a cause, and of a line that is looked at.
LONGEST = 160
LINE = 1000

#: What the system itself says, and what says all: the words around it do not matter.
PLAIN = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Input/output error",
    "Address already in use",
    "Cannot allocate memory",
    "Out of memory",
    "OutOfMemoryError",
    "Too many open files",
    "Text file busy",
    "Device or resource busy",
    "Stale file handle",
    "Name or service not known",
    "Temporary failure in name resolution",
    "Could not resolve host",
    "Segmentation fault",
)
#: The same of whoever asks: often a mere sign of what the one that is asked has said of itself.
AWAY = (
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "No route to host",
    "Network is unreachable",
)


def _having(hints: Iterable[str], lines: Sequence[str]) -> list[str]:
    """Those that have one of the hints, in small letters. Which of these are there at all is told
    of all lines at once: mostly none is, and that is told at a tenth of the cost."""
    small = "\n".join(lines).lower()
    there = [hint for hint in hints if hint in small]
    return [line for line in lines if any(hint in line.lower() for hint in there)] if there else []


class _Hinted:
    """A pattern that is looked for only where a line has one of its hints."""

    def __init__(self, pattern: str, hints: Iterable[str], flags: int = 0) -> None:
        self._compiled, self._hints = re.compile(pattern, flags), tuple(hints)
        self.pattern, self.flags = pattern, self._compiled.flags

    def search(self, line: str) -> re.Match[str] | None:
        small = line.lower()
        return self._compiled.search(line) if any(one in small for one in self._hints) else None

    def among(self, lines: Sequence[str]) -> list[str]:
        return [line for line in _having(self._hints, lines) if self._compiled.search(line)]

    def without(self, lines: Sequence[str]) -> list[str]:
        found = set(self.among(lines))
        return [line for line in lines if line not in found]


_PLAIN, _AWAY = (
    _Hinted("|".join(map(re.escape, one)), [text.lower() for text in one], re.IGNORECASE)
    for one in (PLAIN, AWAY)
)
_SYSTEM = re.compile(f"{_PLAIN.pattern}|{_AWAY.pattern}", re.IGNORECASE)
_WORDS = {text.lower(): text for text in PLAIN + AWAY}
#: What the loader, the kernel and the shell say of a program that did not begin, or was ended.
_LOADER = re.compile(
    r"error while loading shared libraries: [^:]+: [^:]+|version [`'\"]\S+?['\"] not found"
    r"|undefined symbol: \S+|Exec format error"
)
_DEAD = _Hinted(
    rf"{_LOADER.pattern}|(?:^|\d )Killed(?:$| {{2}})|\(core dumped\)",
    ("while loading", "version", "undefined symbol", "exec format", "killed", "core dumped"),
)
#: A program that names what it died of, or calls it an error, and does not merely warn.
_NAMED = re.compile(
    r"^(?!.*\b(?:WARN|WARNING|INFO|DEBUG)\b)"
    r".*(?:[A-Za-z](?:Error|Exception)\b|\b(?:ERROR|SEVERE|FATAL|CRITICAL)\b"
    r"|\b(?:error|fatal|panic): )"
)
#: Without one of these a line names nothing: most lines are told apart by that, which is cheap.
_HINTS = (
    *("error", "exception", "severe", "fatal", "critical", "panic", "killed", "core dumped"),
    *("not found", "undefined symbol", *(text.lower() for text in PLAIN)),
)

_TROUBLE = re.compile(
    r"error|exception|traceback|fatal|panic|\bfail|cannot|can't|could not|couldn't|unable|denied"
    r"|refused|not found|no such|not permitted|timed? ?out|killed|abort|invalid|in use|mismatch"
    r"|missing|corrupt|unreachable|illegal|expected|bad |not (?:yet )?valid|expired",
    re.IGNORECASE,
)
#: Of these words those that say what is wrong, and not merely that something is.
_PRECISE = re.compile(
    r"denied|refused|no such|not (?:found|permitted)|in use|missing|corrupt|illegal|cannot|can't"
    r"|not (?:yet )?valid|expired",
    re.IGNORECASE,
)
#: Speaks of trouble that is told elsewhere, or of none at all.
_IDLE = _Hinted(
    r"\b(?:0|no|without) (?:errors?|failures?|failed)\b|previous errors?|complete log of this run"
    r"|\bleaving directory\b|\*\*\* ",
    (
        "0 err",
        "0 fail",
        "no err",
        "no fail",
        "out err",
        "out fail",
        "previous err",
        "complete log",
        "leaving dir",
        "*** ",
    ),
    re.IGNORECASE,
)

#: Says that it is over, with which status or after how many tries at most, and nothing of why.
_CLOSING = _Hinted(
    r"\b(?:exit(?:ing|ed)?|quit(?:ting)?|end(?:ed|ing)|terminat(?:ed|ing)|abort(?:ed|ing)?"
    r"|stopp(?:ed|ing)|start(?:ed)?|died|crashed|shutting down|shut down|giving up|gave up)"
    r"(?: (?:now|the server|with))*(?:\W+(?:exit )?(?:status|code))?\W*\d*\W*$"
    r"|\bafter \d+ (?:tries|attempts|retries)\W*$|\bsee (?:above|(?:the )?logs?)\b",
    (
        "exit",
        "quit",
        "end",
        "terminat",
        "abort",
        "stopp",
        "start",
        "died",
        "crash",
        "shut",
        "giving",
        "gave",
        "after",
        "see ",
    ),
    re.IGNORECASE,
)
#: What our own waits say last.
_IN_VAIN = re.compile(r"^gave up after [\d.]+ s: the last probe ended with exit status \d+$")

_ESCAPE = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OPENING = re.compile(
    r"^(?:\[[^\]]{0,60}\]:? ?|\d{4}-\d\d-\d\d[T ]\S{5,20} |\d\d:\d\d:\d\d\S{0,8} "
    r"|(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|FATAL|CRITICAL):?\s+)+"
)
#: Web addresses, directories, hexadecimal, numbers; an exit status means the same everywhere.
_DIFFERS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,10}://\S+"), "…"),
    (re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/:'\"“”,;()]+/)*"), "…/"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F-]{8,}\b"), "…"),
    (re.compile(r"(?<!exit status )(?<!\d)\d+(?:[.:,_-]\d+)*"), "…"),
)
_FOLDED = re.compile(r"…(?:[ .,:/_-]?…)+")


#: Lines of a log that are marked: they look like errors to whoever names a cause, and to a person.
_DENIED = re.compile("permission denied|command not found|cannot open", re.IGNORECASE)
_HARMLESS = re.compile(r"\b(?:WARN|WARNING|INFO|DEBUG)\b")
#: For the browser, ``[pattern, flags]``: a line is marked by any that is ``wrong``, and by none
#: that is ``harmless``.
MARKS = {
    kind: [[one.pattern, "i" if one.flags & re.IGNORECASE else ""] for one in patterns]
    for kind, patterns in {
        "wrong": (_PLAIN, _AWAY, _DEAD, _NAMED, _DENIED),
        "harmless": (_IDLE, _HARMLESS),
    }.items()
}


def telling(output: str, *, usual: Container[str] = (), names: Iterable[str] = ()) -> str:
    """The line of an output's end that tells most of why it ended so; empty where none does.

    None does whose `shape` is ``usual``; ``names`` are those of the host that printed it.
    """
    common: set[str] = set()
    for line in _telling(output):
        if line in common:
            continue
        if not usual or shape(line, names) not in usual:
            return line
        common.add(line)
    return ""


def last(output: str) -> str:
    """The last line, for want of one that tells anything."""
    printed = _printed(output)
    return next((line for line in printed if not _IN_VAIN.search(line)), next(iter(printed), ""))


def troubles(output: str) -> set[str]:
    """Lines that speak of trouble, whatever it means."""
    return set(_telling(output))


def _telling(output: str) -> Iterator[str]:
    """Lines that tell why, those that tell most first."""
    lines = _lines(output)
    yield from _PLAIN.among(lines)
    yield from _DEAD.among(lines)
    open_ended = _CLOSING.without(lines)
    yield from filter(_NAMED.search, open_ended)
    yield from _AWAY.among(open_ended)
    for tells, among in ((_PRECISE, open_ended), (_TROUBLE, open_ended), (_NAMED, lines)):
        yield from filter(tells.search, among)
    yield from filter(_TROUBLE.search, lines)


def named(output: str) -> list[str]:
    """Lines of an output's end in which a program names what it died of, those that tell most
    first: what `telling` gives, where that is more than a guess."""
    if not _having(_HINTS, [output]):
        return []
    lines = _IDLE.without(_having(_HINTS, _printed(output)))
    plain = _PLAIN.among(lines)
    signs = set(_AWAY.among(lines)) - set(plain)
    lines = [line for line in lines if line not in signs]
    return [*plain, *_DEAD.among(lines), *filter(_NAMED.search, _CLOSING.without(lines))]


def above(output: str, line: str) -> str:
    """The line printed right before ``line``, where it names trouble too: one often tells the
    other's."""
    lines = _printed(output)
    before = lines[lines.index(line) + 1 :][:1] if line in lines else []
    return before[0] if before and before[0] != line and is_named(before[0]) else ""


def is_named(line: str) -> bool:
    return bool(named(line))


def is_precise(line: str) -> bool:
    """It says what is wrong, as a person would who knows no more."""
    return is_named(line) or (bool(_PRECISE.search(line)) and not is_sign(line))


def is_sign(line: str) -> bool:
    """Whoever was asked did not answer: why, it may have said before."""
    return bool(_AWAY.search(line)) and not _PLAIN.search(line)


def _lines(output: str) -> list[str]:
    """Those that speak of something, the last first."""
    return _IDLE.without(_printed(output))


def _printed(output: str) -> list[str]:
    return [line for line in map(plain, reversed(output.splitlines())) if line]


def plain(line: str) -> str:
    """Without colours and controls, of a length that can be looked at."""
    return spelled(_CONTROL.sub(" ", _ESCAPE.sub("", line[:LINE])).strip())


def cause(line: str, *, names: Iterable[str] = ()) -> str:
    """What is left of a line when paths, numbers, addresses and the host's ``names`` are folded."""
    if said := _SYSTEM.search(line):
        return _WORDS[said.group().lower()]
    if said := _LOADER.search(line):
        return said.group()[:LONGEST]
    return shape(line, names) or line[:LONGEST]


def shape(line: str, names: Iterable[str]) -> str:
    """Of a line without all that differs from host to host."""
    return folded(nameless(opened(line), names))


def opened(line: str) -> str:
    """Without its time and its level."""
    return _OPENING.sub("", line)


@lru_cache(maxsize=2048)
def folded(line: str) -> str:
    """Without paths, numbers and addresses. Hosts that do the same print the same lines."""
    for differs, fold in _DIFFERS:
        line = differs.sub(fold, line)
    return _FOLDED.sub("…", line).strip()[:LONGEST]


def nameless(line: str, names: Iterable[str]) -> str:
    """Without the ``names`` of the host that printed it."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        if name in line:
            line = _whole(name).sub("…", line)
    return line


@lru_cache(maxsize=1024)
def _whole(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
