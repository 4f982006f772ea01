"""A job's story as lines for a person: one for each change, and hosts' output behind their name."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from webapp.cli.plain import plain
from webapp.cli.story import Item
from webapp.words import _


class Teller:
    """Turns items into lines; holds back output until its line is whole."""

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}

    def lines(self, item: Item) -> Iterator[str]:
        if item["k"] == "output":
            yield from self._output(item["h"], item["d"])
            return
        if item["k"] in ("step", "host"):
            yield from self.rest(item["h"])
        if words := _words(item):
            yield plain(f"{_clock(item['at'])}  {item.get('h', _('job'))}  {words}")

    def rest(self, host: str | None = None) -> Iterator[str]:
        """What has come of lines that have no end yet."""
        for name in [host] if host else list(self._begun):
            if text := self._begun.pop(name, ""):
                yield plain(f"{name} | {text}")

    def _output(self, host: str, text: str) -> Iterator[str]:
        *whole, begun = (self._begun.pop(host, "") + text).split("\n")
        for line in whole:
            yield plain(f"{host} | {line.removesuffix(chr(13))}")
        self._begun[host] = begun


def _words(item: Item) -> str:
    """Empty for a kind that we do not know: a newer server may have more of them."""
    tell = TOLD.get(item["k"])
    return tell(item) if tell else ""


def _step(item: Item) -> str:
    name = item["step"] if item.get("kind", "do") == "do" else _("undo of %s") % item["step"]
    attempt = _(" (attempt %s)") % item["n"] if item["n"] > 1 else ""
    took = _(" in %.1f s") % item["seconds"] if item.get("seconds") is not None else ""
    return f"{name}{attempt} {item['to']}{took}{_because(item)}"


def _state(item: Item) -> str:
    """Of a host or of the job. Some news of a host says something else than its state."""
    return f"{item['to']}{_because(item)}" if item.get("to") else ""


def _batch(item: Item) -> str:
    until = _(" until %s") % _clock(item["until"]) if item.get("until") else ""
    return _("batch %(n)s %(to)s") % {"n": item["n"], "to": item["to"]} + until


def _link(item: Item) -> str:
    return f"{_('link')} {item['to']}{_because(item)}"


def _order(item: Item) -> str:
    note = f": {item['note']}" if item.get("note") else ""
    after = _(" after the %s") % item["after"] if item.get("after") else ""
    terms = "".join(f" {name} {value}" for name, value in item.get("terms", {}).items())
    return f"{item['what']}{after}{terms} ({item['who']}){note}"


def _because(item: Item) -> str:
    reasons = dict.fromkeys(item[key] for key in ("error", "reason") if item.get(key))
    return f": {', '.join(reasons)}" if reasons else ""


def _clock(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")


TOLD: dict[str, Any] = {
    "step": _step,
    "host": _state,
    "job": _state,
    "batch": _batch,
    "link": _link,
    "order": _order,
    "note": lambda item: item["text"],
}
