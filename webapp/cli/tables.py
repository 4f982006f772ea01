"""Answers of the API as columns and paragraphs for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from webapp.words import _

#: As many hosts as a person reads in one line.
NAMED = 12


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def plan_lines(plan: dict[str, Any]) -> Iterator[str]:
    yield _("%(game)s %(version)s by recipe %(recipe)s") % plan
    for batch in plan["batches"]:
        yield _("Batch %(n)s, %(size)s: %(hosts)s") % (batch | {"hosts": _named(batch["hosts"])})
    yield _("Steps: %s") % ", ".join(
        _("%s (players feel it)") % step["name"] if step["disruptive"] else step["name"]
        for step in plan["steps"]
    )
    for key, word in {
        "skipped": _("Skipped"),
        "refusals": _("Refused"),
        "drifted": _("Drifted"),
        "down": _("Down"),
    }.items():
        for one in plan[key]:
            yield f"{word}: " + ": ".join(filter(None, (one.get("host"), one["reason"])))


def preflight_lines(found: dict[str, Any]) -> Iterator[str]:
    yield _("%(fit)s fit, %(unfit)s not, %(pending)s not looked at") % found
    for word, kind in ((_("Not fit"), "problems"), (_("Worth a look"), "warnings")):
        for host in found["hosts"]:
            for one in host[kind]:
                yield f"{word}: {host['host']}: {one['says']}"


def _named(hosts: Sequence[str]) -> str:
    more = len(hosts) - NAMED
    names = ", ".join(hosts[:NAMED])
    return _("%(names)s and %(more)d more") % {"names": names, "more": more} if more > 0 else names
