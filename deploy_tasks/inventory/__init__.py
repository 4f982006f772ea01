"""The inventory file: all of it is taken, or nothing, and then every reason is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from deploy_tasks import artifacts, vault, yamlfile
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.inventory.changes import Changes
from deploy_tasks.inventory.checks import check
from deploy_tasks.inventory.draft import Draft
from deploy_tasks.inventory.schema import Section
from deploy_tasks.inventory.stock import Stock
from deploy_tasks.inventory.writing import write
from deploy_tasks.models import Credential, Game, Host, Instance, Release
from deploy_tasks.yamlfile import Document

__all__ = ["Changes", "import_entry", "import_file"]


def import_file(path: Path, *, by: User | None, replace_host_keys: bool = False) -> Changes:
    """Take an inventory file. A second import of it changes nothing.

    What the file does not name is left alone, also the keys that an entry leaves out. Raises
    InvalidInputs with everything that is wrong, each with file, line and remedy.
    """
    # An import may be the first thing that is done on a new instance.
    vault.ensure_keys()
    try:
        text = yamlfile.read_text(path)
    except InvalidInput as finding:
        raise InvalidInputs([finding])
    draft = Draft(yamlfile.load(text, file=str(path)), path.parent)
    changes, _stock = _take(draft, by=by, source=str(path), replace_host_keys=replace_host_keys)
    return changes


@overload
def import_entry(kind: Literal["hosts"], entry: Mapping[str, Any], *, by: User) -> Host: ...
@overload
def import_entry(kind: Literal["games"], entry: Mapping[str, Any], *, by: User) -> Game: ...
@overload
def import_entry(kind: Literal["releases"], entry: Mapping[str, Any], *, by: User) -> Release: ...
@overload
def import_entry(
    kind: Literal["credentials"], entry: Mapping[str, Any], *, by: User
) -> Credential: ...


def import_entry(
    kind: Section, entry: Mapping[str, Any], *, by: User
) -> Host | Game | Release | Credential:
    """Take one entry of a section, as plain data: made, or changed where it is there already.

    Raises InvalidInputs; the fields are those of the entry (``vars.port``). No file or variable
    of this server may be named, but for a release's ``artifact``: that is the caller's own path
    of what was uploaded.
    """
    draft = Draft(Document({kind: [entry]}), folder=None)
    try:
        changes, stock = _take(draft, by=by, source=None, replace_host_keys=False)
    except InvalidInputs as wrong:
        raise InvalidInputs([_of_the_entry(finding, kind) for finding in wrong.findings])
    rows: Mapping[Section, Mapping[str, Any]] = {
        "hosts": stock.hosts,
        "games": stock.games,
        "releases": stock.releases,
        "credentials": stock.credentials,
    }
    row: Host | Game | Release | Credential = rows[kind][changes.entries[-1].name]
    return row


def _take(
    draft: Draft, *, by: User | None, source: str | None, replace_host_keys: bool
) -> tuple[Changes, Stock]:
    # Looked at before anything is copied, and again inside the transaction, where nobody else
    # can change what we compared with. So no file is read while the database is held.
    _refuse(check(draft, Stock(draft), replace_host_keys=replace_host_keys))
    _keep_artifacts(draft)
    with transaction.atomic():
        _one_import_at_a_time()
        stock = Stock(draft)
        _refuse(check(draft, stock, replace_host_keys=replace_host_keys))
        return write(draft, stock, by=by, source=source), stock


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


def _one_import_at_a_time() -> None:
    Instance.current()
    Instance.objects.select_for_update().get(pk=1)


def _of_the_entry(finding: InvalidInput, kind: Section) -> InvalidInput:
    field = (finding.field or "").removeprefix(f"{kind}[0]").removeprefix(".")
    return InvalidInput(finding.message, field=field or None)
