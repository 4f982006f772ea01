"""What an import did, for the person who ran it and for the audit."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext as _

Verb = Literal["created", "changed", "unchanged"]
VERBS: tuple[Verb, ...] = ("created", "changed", "unchanged")

#: A summary names so many changes; the rest is counted.
SHOWN = 20


@dataclass(frozen=True)
class Change:
    """``what``: for a changed thing the names of its changed fields, secrets never shown."""

    section: str
    name: str
    verb: Verb
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f" ({', '.join(self.what)})" if self.what else ""
        return f"{self.section} {self.name}: {self.verb}{what}"


@dataclass
class Changes:
    """In the order of the file. ``str()`` is a summary for people."""

    entries: list[Change] = field(default_factory=list)

    def add(self, section: str, name: str, verb: Verb, *what: str) -> None:
        self.entries.append(Change(section, name, verb, what))

    @property
    def made(self) -> list[Change]:
        return [change for change in self.entries if change.verb != "unchanged"]

    def counts(self) -> dict[str, dict[Verb, int]]:
        """section -> verb -> how many; zeros too."""
        found = Counter((change.section, change.verb) for change in self.entries)
        sections = dict.fromkeys(change.section for change in self.entries)
        return {name: {verb: found[name, verb] for verb in VERBS} for name in sections}

    def as_json(self) -> dict[str, object]:
        return {"counts": self.counts(), "changes": [str(change) for change in self.made]}

    def __str__(self) -> str:
        if not self.entries:
            return _("The file names nothing.")
        lines = [
            f"{section}: " + ", ".join(f"{count} {verb}" for verb, count in verbs.items())
            for section, verbs in self.counts().items()
        ]
        changed = [change for change in self.entries if change.verb == "changed"]
        lines += [f"  {change}" for change in changed[:SHOWN]]
        if len(changed) > SHOWN:
            lines.append(_("  … and %(count)s more") % {"count": len(changed) - SHOWN})
        return "\n".join(lines)
