"""What an inventory entry only points at: keys, secrets, recipes and artifacts, read here.

Everything raises InvalidInput with a remedy; the caller knows the file and the line.
"""

from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from deploy_tasks import artifacts, recipes, revisions, ssh, vault, yamlfile
from deploy_tasks.errors import InvalidInput
from deploy_tasks.inventory.schema import CredentialEntry, GameEntry, ReleaseEntry, SecretSource
from deploy_tasks.recipes import Recipe

MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True)
class Secret:
    """``digest`` tells it from another one; ``public`` is empty for what is no SSH key."""

    content: bytes = field(repr=False)
    public: str
    digest: str


@dataclass(frozen=True)
class RecipeText:
    recipe: Recipe
    text: str
    file: str


@dataclass(frozen=True)
class Artifact:
    """``size`` in bytes."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Files:
    """``folder`` is what paths are relative to. None: the entry came over the API, and may name
    no file and no variable of this server."""

    folder: Path | None

    def secret(self, entry: CredentialEntry) -> Secret:
        if entry.private_key_file is not None:
            text = self._text(entry.private_key_file, limit=MAX_SECRET_BYTES)
            public = ssh.public_half(text)
        else:
            assert entry.secret is not None
            text, public = self._secret_text(entry.secret), ""
        if not text:
            raise InvalidInput(_("this secret is empty"))
        content = text.encode()
        digest = vault.digest(content, identity=vault.identity_of_credential(entry.name))
        return Secret(content, public, digest)

    def recipe(self, entry: GameEntry) -> RecipeText | None:
        """None for the name of a recipe that does not come with Patchwave. Raises InvalidInputs
        for a text that is no recipe: its findings name the recipe's own file and lines."""
        if entry.recipe_is_path:
            text, file = self._text(entry.recipe, limit=recipes.MAX_BYTES), entry.recipe
        elif path := revisions.shipped().get(entry.recipe):
            text, file = yamlfile.read_text(path), path.name
        else:
            return None
        return RecipeText(recipes.parse(text, file=file), text, file)

    def artifact(self, entry: ReleaseEntry) -> Artifact | None:
        if entry.artifact is None:
            return None
        path = (self.folder or Path()) / Path(entry.artifact).expanduser()
        if not path.is_file():
            raise InvalidInput(_("there is no file %(path)s") % {"path": path})
        try:
            sha256, size = artifacts.measure(path)
        except OSError as error:
            why = {"path": path, "why": error.strerror}
            raise InvalidInput(_("cannot read %(path)s: %(why)s") % why)
        if entry.sha256 not in (None, sha256):
            raise InvalidInput(
                _("%(path)s has another SHA-256: %(found)s; was it built again, or damaged?")
                % {"path": path, "found": sha256}
            )
        return Artifact(path, sha256, size)

    def _secret_text(self, source: SecretSource) -> str:
        if source.env is None:
            return self._text(source.file or "", limit=MAX_SECRET_BYTES).rstrip("\r\n")
        if self.folder is None:
            raise InvalidInput(_("a variable can only be named in an import on the server itself"))
        value = settings.VARIABLE(source.env)
        if value is None:
            raise InvalidInput(
                _("the environment variable %(name)s is not set; set it for this import")
                % {"name": source.env}
            )
        return value

    def _text(self, name: str, *, limit: int) -> str:
        if self.folder is None:
            raise InvalidInput(
                _("a file of the server can only be named in an import on the server itself")
            )
        return yamlfile.read_text(self.folder / Path(name).expanduser(), limit=limit)
