"""What an import did, for the person who ran it and for the audit."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from django.utils.translation import gettext as _

#: field -> what it held and what it holds
Values = Mapping[str, tuple[object, object]]
Verb = Literal["created", "changed", "unchanged"]
VERBS: tuple[Verb, ...] = ("created", "changed", "unchanged")

#: A summary names so many changes; the rest is counted.
SHOWN = 20


@dataclass(frozen=True)
class Change:
    """``what``: for a changed thing the names of its changed fields. ``before`` and ``after``: what
    they held and hold; of a secret only that it was changed."""

    section: str
    name: str
    verb: Verb
    what: tuple[str, ...] = ()
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        what = f" ({', '.join(self.what)})" if self.what else ""
        return f"{self.section} {self.name}: {self.verb}{what}"


@dataclass
class Changes:
    """In the order of the file. ``str()`` is a summary for people."""

    entries: list[Change] = field(default_factory=list)

    def add(
        self, section: str, name: str, verb: Verb, *what: str, values: Values = MappingProxyType({})
    ) -> None:
        """``values``: field -> what it held and what it holds."""
        before = {one: held for one, (held, _holds) in values.items()}
        after = {one: holds for one, (_held, holds) in values.items()}
        self.entries.append(Change(section, name, verb, what, before, after))

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

    def for_audit(self) -> dict[str, object]:
        """With what the changed things were before and are after, by section and name."""
        told = [change for change in self.made if change.before or change.after]
        return self.as_json() | {
            "before": {f"{one.section} {one.name}": one.before for one in told},
            "after": {f"{one.section} {one.name}": one.after for one in told},
        }

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
