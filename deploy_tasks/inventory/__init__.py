"""The inventory file: all of it is taken, or nothing, and then every reason is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from deploy_tasks import artifacts, disk, vault, yamlfile
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.inventory.changes import Changes
from deploy_tasks.inventory.checks import check
from deploy_tasks.inventory.draft import Draft
from deploy_tasks.inventory.files import Folder, Uploads
from deploy_tasks.inventory.schema import Section
from deploy_tasks.inventory.stock import Reach, Stock
from deploy_tasks.inventory.writing import write
from deploy_tasks.models import Credential, Game, Host, Instance, Machine, Release
from deploy_tasks.yamlfile import Document

__all__ = ["Changes", "Reach", "check_entry", "import_entry", "import_file", "import_upload"]

Entry = Mapping[str, Any]
NONE: Mapping[str, Path] = {}


def import_file(path: Path, *, by: User | None, replace_host_keys: bool = False) -> Changes:
    """Take an inventory file of this server. A second import of it changes nothing.

    What the file does not name is left alone, also the keys that an entry leaves out. A credential
    becomes the game's whose hosts or variables name it. Raises InvalidInputs with everything that
    is wrong, each with file, line and remedy.
    """
    # An import may be the first thing that is done on a new instance.
    vault.ensure_keys()
    draft = Draft(_read(path, str(path)), Folder(path.parent))
    source, reach = str(path), _everything()
    return _take(draft, by=by, source=source, replace_host_keys=replace_host_keys, reach=reach)[0]


def import_upload(
    name: str, uploads: Mapping[str, Path], *, by: User, replace_host_keys: bool = False
) -> Changes:
    """Take the inventory file ``name`` of several that came over the network.

    ``uploads``: each by its base name. Files that entries name must be among them; no file and no
    variable of this server can be named. Else as `import_file`.
    """
    draft = Draft(_read(uploads[name], name), Uploads(uploads))
    reach = _everything()
    return _take(draft, by=by, source=name, replace_host_keys=replace_host_keys, reach=reach)[0]


@overload
def import_entry(
    kind: Literal["hosts"],
    entry: Entry,
    *,
    by: User,
    reach: Reach | None = ...,
    uploads: Mapping[str, Path] = ...,
) -> Host: ...
@overload
def import_entry(
    kind: Literal["games"],
    entry: Entry,
    *,
    by: User,
    reach: Reach | None = ...,
    uploads: Mapping[str, Path] = ...,
) -> Game: ...
@overload
def import_entry(
    kind: Literal["releases"],
    entry: Entry,
    *,
    by: User,
    reach: Reach | None = ...,
    uploads: Mapping[str, Path] = ...,
) -> Release: ...
@overload
def import_entry(
    kind: Literal["credentials"],
    entry: Entry,
    *,
    by: User,
    reach: Reach | None = ...,
    uploads: Mapping[str, Path] = ...,
) -> Credential: ...


def import_entry(
    kind: Section,
    entry: Entry,
    *,
    by: User,
    reach: Reach | None = None,
    uploads: Mapping[str, Path] = NONE,
) -> Host | Game | Release | Credential:
    """Take one entry of a section, as plain data: made, or changed where it is there already.

    Raises InvalidInputs; the fields are those of the entry (``vars.port``). The only files that
    it may name are the ``uploads``, by their base names; the only credentials and machines, those
    of its game, machines that carry no host yet, and what is within ``reach``.
    """
    draft = Draft(Document({kind: [entry]}), Uploads(uploads))
    try:
        changes, stock = _take(draft, by=by, source=None, replace_host_keys=False, reach=reach)
    except InvalidInputs as wrong:
        raise _of_the_entry(wrong, kind)
    rows: Mapping[Section, Mapping[str, Any]] = {
        "hosts": stock.hosts,
        "games": stock.games,
        "releases": stock.releases,
        "credentials": stock.credentials,
    }
    row: Host | Game | Release | Credential = rows[kind][changes.entries[-1].name]
    return row


def check_entry(kind: Section, entry: Entry, *, reach: Reach | None = None) -> None:
    """Raises InvalidInputs with everything for which `import_entry` would refuse it now."""
    draft = Draft(Document({kind: [entry]}), Uploads(NONE))
    try:
        _refuse(check(draft, Stock(draft, reach), replace_host_keys=False))
    except InvalidInputs as wrong:
        raise _of_the_entry(wrong, kind)


def _read(path: Path, name: str) -> Document:
    try:
        text = yamlfile.read_text(path, name=name)
    except InvalidInput as finding:
        raise InvalidInputs([finding])
    return yamlfile.load(text, file=name)


def _take(
    draft: Draft,
    *,
    by: User | None,
    source: str | None,
    replace_host_keys: bool,
    reach: Reach | None,
) -> tuple[Changes, Stock]:
    # Looked at before anything is copied, and again inside the transaction, where nobody else
    # can change what we compared with. So no file is read while the database is held.
    _refuse(check(draft, Stock(draft, reach), replace_host_keys=replace_host_keys))
    _keep_artifacts(draft)
    with transaction.atomic():
        _one_import_at_a_time()
        stock = Stock(draft, reach)
        _refuse(check(draft, stock, replace_host_keys=replace_host_keys))
        return write(draft, stock, by=by, source=source), stock


def _everything() -> Reach:
    """A whole file may name it."""
    return Reach(Credential.objects.all(), Machine.objects.all())


def _refuse(findings: list[InvalidInput]) -> None:
    if findings:
        raise InvalidInputs(findings)


def _keep_artifacts(draft: Draft) -> None:
    for artifact in draft.artifacts.values():
        if artifacts.path_of(artifact.sha256).is_file():
            continue
        sha256, _size = artifacts.add(artifact.path)
        if sha256 != artifact.sha256:
            message = _("%(path)s was changed during the import; import again")
            raise InvalidInputs([InvalidInput(message % {"path": artifact.path})])
        # What fills the disk of a machine that has no worker to look after it.
        disk.look()


def _one_import_at_a_time() -> None:
    Instance.current()
    Instance.objects.select_for_update().get(pk=1)


def _of_the_entry(wrong: InvalidInputs, kind: Section) -> InvalidInputs:
    """The same findings, with the fields of the one entry."""
    return InvalidInputs(
        [InvalidInput(finding.message, field=_field(finding, kind)) for finding in wrong.findings]
    )


def _field(finding: InvalidInput, kind: Section) -> str | None:
    return (finding.field or "").removeprefix(f"{kind}[0]").removeprefix(".") or None
