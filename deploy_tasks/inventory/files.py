"""What an inventory entry only points at: keys, secrets, recipes and artifacts, read here.

Everything raises InvalidInput with a remedy; the caller knows the file and the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from django.conf import settings
from django.utils.translation import gettext as _

from deploy_tasks import artifacts, credentials, recipes, revisions, yamlfile
from deploy_tasks.credentials import Secret
from deploy_tasks.errors import InvalidInput
from deploy_tasks.inventory.schema import CredentialEntry, GameEntry, ReleaseEntry, SecretSource
from deploy_tasks.recipes import Recipe


class Source(Protocol):
    """Where the files and variables are that an entry may name. All raise InvalidInput."""

    def file(self, name: str) -> Path: ...

    def called(self, name: str) -> str:
        """The same file as people know it."""
        ...

    def variable(self, name: str) -> str: ...


@dataclass(frozen=True)
class Folder:
    """For an import on the server itself: paths are relative to the inventory's own folder."""

    path: Path

    def file(self, name: str) -> Path:
        try:
            return self.path / Path(name).expanduser()
        except RuntimeError:
            raise InvalidInput(_("%(path)s begins with no user's home") % {"path": name})

    def called(self, name: str) -> str:
        return str(self.file(name))

    def variable(self, name: str) -> str:
        value: str | None = settings.VARIABLE(name)
        if value is None:
            raise InvalidInput(
                _("the environment variable %(name)s is not set; set it for this import")
                % {"name": name}
            )
        return value


@dataclass(frozen=True)
class Uploads:
    """For what came over the network: only what was sent along can be named, by its base name.

    No file and no variable of this server is ever in reach.
    """

    files: Mapping[str, Path]

    def file(self, name: str) -> Path:
        base = self.called(name)
        if base in self.files:
            return self.files[base]
        if self.files and base:
            raise InvalidInput(
                _(
                    "choose the file %(base)s as well; a file of the server can only be named"
                    " in an import on the server itself"
                )
                % {"base": base}
            )
        raise InvalidInput(
            _("a file of the server can only be named in an import on the server itself")
        )

    def called(self, name: str) -> str:
        return PurePosixPath(name.replace("\\", "/")).name

    def variable(self, name: str) -> str:
        raise InvalidInput(_("a variable can only be named in an import on the server itself"))


@dataclass(frozen=True)
class RecipeText:
    recipe: Recipe
    text: str
    file: str


@dataclass(frozen=True)
class Artifact:
    """``path`` is where it can be read now, ``name`` what its file is called; ``size`` in bytes."""

    path: Path
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Files:
    source: Source

    def secret(self, entry: CredentialEntry) -> Secret:
        certificate = ""
        if entry.certificate_file:
            certificate = self._text(entry.certificate_file, limit=credentials.MAX_BYTES).strip()
        if entry.agent is not None:
            return credentials.in_agent(entry.name, entry.agent, certificate=certificate)
        if entry.private_key_file is None:
            assert entry.secret is not None
            return credentials.read(entry.name, entry.kind, self._secret_text(entry.secret))
        text = self._text(entry.private_key_file, limit=credentials.MAX_BYTES)
        passphrase = self._secret_text(entry.passphrase) if entry.passphrase else ""
        return credentials.read(
            entry.name, entry.kind, text, passphrase=passphrase, certificate=certificate
        )

    def recipe(self, entry: GameEntry) -> RecipeText | None:
        """None for the name of a recipe that does not come with Patchwave. Raises InvalidInputs
        for a text that is no recipe: its findings name the recipe's own file and lines."""
        if entry.recipe_is_path:
            text = self._text(entry.recipe, limit=recipes.MAX_BYTES)
            file = self.source.called(entry.recipe)
        elif path := revisions.shipped().get(entry.recipe):
            text, file = yamlfile.read_text(path), path.name
        else:
            return None
        return RecipeText(recipes.parse(text, file=file), text, file)

    def artifact(self, entry: ReleaseEntry) -> Artifact | None:
        if entry.artifact is None:
            return None
        path = self.source.file(entry.artifact)
        called = self.source.called(entry.artifact)
        if not path.is_file():
            raise InvalidInput(_("there is no file %(path)s") % {"path": called})
        try:
            sha256, size = artifacts.measure(path)
        except OSError as error:
            why = {"path": called, "why": error.strerror}
            raise InvalidInput(_("cannot read %(path)s: %(why)s") % why)
        if entry.sha256 not in (None, sha256):
            raise InvalidInput(
                _("%(path)s has another SHA-256: %(found)s; was it built again, or damaged?")
                % {"path": entry.artifact, "found": sha256}
            )
        return Artifact(path, Path(entry.artifact).name, sha256, size)

    def _secret_text(self, source: SecretSource) -> str:
        if source.env is not None:
            return self.source.variable(source.env)
        return self._text(source.file or "", limit=credentials.MAX_BYTES).rstrip("\r\n")

    def _text(self, name: str, *, limit: int) -> str:
        path = self.source.file(name)
        return yamlfile.read_text(path, limit=limit, name=self.source.called(name))
