"""An inventory as its file says it, with what the file points at, not yet compared with what we
have: no database in here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from deploy_tasks.credentials import Secret
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.findings import findings
from deploy_tasks.inventory.files import Artifact, Files, RecipeText, Source
from deploy_tasks.inventory.schema import (
    SECTIONS,
    CredentialEntry,
    GameEntry,
    HostEntry,
    ReleaseEntry,
    Section,
)
from deploy_tasks.yamlfile import Document, Place

E = TypeVar("E", bound=BaseModel)


@dataclass(frozen=True)
class Drafted(Generic[E]):
    """An entry and where it stands: ``("hosts", 3)``."""

    place: Place
    entry: E


class Draft:
    """``findings`` is everything wrong that can be seen without the database. ``secrets``,
    ``recipes`` and ``artifacts`` are by the names of their entries."""

    def __init__(self, document: Document, source: Source) -> None:
        self.document = document
        self.findings: list[InvalidInput] = []
        #: Names that the file gives, also those of entries that are wrong in another way.
        self.named: dict[Section, set[str]] = {section: set() for section in SECTIONS}
        self.credentials = list(self._entries("credentials", CredentialEntry))
        self.games = list(self._entries("games", GameEntry))
        self.releases = list(self._entries("releases", ReleaseEntry))
        self.hosts = list(self._entries("hosts", HostEntry))
        self._refuse_unknown_sections()
        self.secrets: dict[str, Secret] = {}
        self.recipes: dict[str, RecipeText] = {}
        self.artifacts: dict[str, Artifact] = {}
        self._read(Files(source))

    def refuse(self, place: Place, message: str) -> None:
        self.findings.append(self.document.invalid(place, message))

    def _entries(self, section: Section, model: type[E]) -> Iterator[Drafted[E]]:
        sections = self.document.data if isinstance(self.document.data, dict) else {}
        rows = sections.get(section)
        if rows is None:
            return
        if not isinstance(rows, list):
            self.refuse((section,), _("must be a list; each entry begins with “- ”"))
            return
        first: dict[str, Place] = {}
        for n, row in enumerate(rows):
            place: Place = (section, n)
            if (name := _name_of(section, row)) is not None:
                self.named[section].add(name)
                if first.setdefault(name, place) != place:
                    self._refuse_twin(name, place, first[name])
            try:
                yield Drafted(place, model.model_validate(row))
            except ValidationError as error:
                self.findings += findings(error, self.document, model=model, at=place)

    def _refuse_twin(self, name: str, place: Place, first: Place) -> None:
        mark = self.document.marks.get(first)
        message = _("“%(name)s” is given twice, first on line %(line)s; remove one of them")
        key = "version" if place[0] == "releases" else "name"
        self.refuse((*place, key), message % {"name": name, "line": mark.line if mark else "?"})

    def _refuse_unknown_sections(self) -> None:
        if not isinstance(self.document.data, dict):
            self.refuse((), _("must be a mapping of these keys: %s") % ", ".join(SECTIONS))
            return
        for key in self.document.data:
            if key not in SECTIONS:
                self.refuse((key,), _("unknown key; known are: %s") % ", ".join(SECTIONS))

    def _read(self, files: Files) -> None:
        for credential in self.credentials:
            given = ("secret", "agent", "private_key_file")
            key = next(one for one in given if getattr(credential.entry, one))
            with self._refusing((*credential.place, key)):
                self.secrets[credential.entry.name] = files.secret(credential.entry)
        for game in self.games:
            with self._refusing((*game.place, "recipe")):
                if recipe := files.recipe(game.entry):
                    self.recipes[game.entry.name] = recipe
        for release in self.releases:
            with self._refusing((*release.place, "artifact")):
                if artifact := files.artifact(release.entry):
                    self.artifacts[release.entry.name] = artifact

    @contextmanager
    def _refusing(self, place: Place) -> Iterator[None]:
        try:
            yield
        except InvalidInput as finding:
            # Of a line of that file: which one is said with it.
            self.refuse(place, str(finding) if finding.file else finding.message)
        except InvalidInputs as elsewhere:
            self.findings += elsewhere.findings


def _name_of(section: Section, row: Any) -> str | None:
    if not isinstance(row, Mapping):
        return None
    keys = ("game", "version") if section == "releases" else ("name",)
    parts = [row.get(key) for key in keys]
    return " ".join(str(part) for part in parts) if all(parts) else None
