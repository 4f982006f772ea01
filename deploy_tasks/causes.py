"""Why a step failed, in few words that are the same for all hosts with the same trouble. Pure.

Of what a step printed last, the line that tells most; and of that line what is left when all that
differs from host to host is folded away.
"""

import re
from collections.abc import Iterable

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
_PLAIN, _AWAY = (re.compile("|".join(map(re.escape, one)), re.IGNORECASE) for one in (PLAIN, AWAY))
_SYSTEM = re.compile(f"{_PLAIN.pattern}|{_AWAY.pattern}", re.IGNORECASE)
_WORDS = {text.lower(): text for text in PLAIN + AWAY}
#: A program that names what it died of, or calls it an error, and does not merely warn.
_NAMED = re.compile(
    r"^(?!.*\b(?:WARN|WARNING|INFO|DEBUG)\b)"
    r".*(?:[A-Za-z](?:Error|Exception)\b|\b(?:ERROR|SEVERE|FATAL|CRITICAL)\b"
    r"|\b(?:error|fatal|panic): )"
)

_TROUBLE = re.compile(
    r"error|exception|traceback|fatal|panic|\bfail|cannot|can't|could not|couldn't|unable|denied"
    r"|refused|not found|no such|not permitted|timed? ?out|killed|abort|invalid|in use|mismatch"
    r"|missing|corrupt|unreachable|illegal|unexpected|bad ",
    re.IGNORECASE,
)
#: Speaks of trouble that is told elsewhere, or of none at all.
_IDLE = re.compile(
    r"\b(?:0|no|without) (?:errors?|failures?|failed)\b|previous errors?|complete log of this run"
    r"|\bleaving directory\b|\*\*\* ",
    re.IGNORECASE,
)

_ESCAPE = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OPENING = re.compile(
    r"^(?:\[[^\]]{0,60}\]:? ?|\d{4}-\d\d-\d\d[T ]\S{5,20} |\d\d:\d\d:\d\d\S{0,8} "
    r"|(?:ERROR|FATAL|SEVERE):? )+"
)
#: Web addresses, directories, hexadecimal, numbers; an exit status means the same everywhere.
_DIFFERS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,10}://\S+"), "…"),
    (re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/:'\"“”,;()]+/)*"), "…/"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F-]{8,}\b"), "…"),
    (re.compile(r"(?<!exit status )(?<!\d)\d+(?:[.:,_-]\d+)*"), "…"),
)
_FOLDED = re.compile(r"…(?:[ .,:/_-]?…)+")


def telling(output: str) -> str:
    """The line of an output's end that tells most of why it ended so; empty where none does."""
    lines = [plain(line) for line in output.splitlines()]
    lines = [line for line in lines if line]
    for tells in (_PLAIN, _NAMED, _AWAY, _TROUBLE):
        for line in reversed(lines):
            if tells.search(line) and not _IDLE.search(line):
                return line
    return lines[-1] if lines else ""


def plain(line: str) -> str:
    """Without colours and controls, of a length that can be looked at."""
    return spelled(_CONTROL.sub(" ", _ESCAPE.sub("", line[:LINE])).strip())


def cause(line: str, *, names: Iterable[str] = ()) -> str:
    """What is left of a line when paths, numbers, addresses and the host's ``names`` are folded."""
    if said := _SYSTEM.search(line):
        return _WORDS[said.group().lower()]
    folded = _OPENING.sub("", line)
    for name in sorted(filter(None, names), key=len, reverse=True):
        folded = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", folded)
    for differs, fold in _DIFFERS:
        folded = differs.sub(fold, folded)
    folded = _FOLDED.sub("…", folded)
    return folded.strip()[:LONGEST] or line[:LONGEST]
