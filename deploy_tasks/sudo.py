"""Whether a host lets its user run what a recipe declares, from what `sudo -l` printed there."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from django.utils.translation import gettext as _

#: ``NOPASSWD:`` and the like before a command; each holds for those after it.
TAG = re.compile(r"([A-Z_]+):\s*")


def problems(answer: str) -> list[str]:
    """One for each command that is not allowed. ``answer`` is what host/sudo.sh printed."""
    said, _mark, rules = answer.partition("\nrules\n")
    found = []
    for line in said.splitlines():
        word, _space, rest = line.partition(" ")
        if word == "asked":
            asked = rest
        elif word == "no":
            found.append(
                _("sudo does not allow “%(command)s”: %(why)s")
                % {"command": asked, "why": rest or _("no rule for it")}
            )
        elif word == "may" and _wants_password(rest, rules):
            found.append(_("sudo would ask for a password: “%s”") % asked)
    return found


def _wants_password(command: str, rules: str) -> bool:
    """The last rule that fits decides, as in sudo; a rule that we cannot read is left to it."""
    wants = False
    for entry, free in _entries(rules):
        path = command.partition(" ")[0]
        if entry in ("ALL", command, path) or fnmatchcase(command, entry):
            wants = not free
    return wants


def _entries(rules: str) -> Iterator[tuple[str, bool]]:
    """Each command of the rules, and whether it is free of a password."""
    for line in rules.splitlines():
        rule = re.fullmatch(r"\s+\([^)]*\)\s*(.*)", line)
        if rule is None:
            continue
        free = False
        for entry in re.split(r"(?<!\\),\s*", rule[1]):
            while tag := TAG.match(entry):
                free = {"NOPASSWD": True, "PASSWD": False}.get(tag[1], free)
                entry = entry[tag.end() :]
            yield entry.replace("\\", ""), free
