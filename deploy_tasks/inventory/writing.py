"""A checked draft becomes rows. Everything here runs inside the one transaction of an import."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from deploy_tasks import audit, credentials, revisions, sealed, ssh
from deploy_tasks.inventory.changes import Changes, Verb
from deploy_tasks.inventory.draft import Draft, Drafted
from deploy_tasks.inventory.schema import CredentialEntry, GameEntry, HostEntry, ReleaseEntry
from deploy_tasks.inventory.stock import Stock, named
from deploy_tasks.models import (
    Credential,
    Game,
    Host,
    HostKey,
    Machine,
    Recipe,
    RecipeRevision,
    Release,
)

BATCH = 500


def write(draft: Draft, stock: Stock, *, by: User | None, source: str | None) -> Changes:
    """``source`` is what the audit names: the file; the thing itself where there is none."""
    writer = _Writer(draft, stock, by)
    for credential in draft.credentials:
        writer.credential(credential)
    for game in draft.games:
        writer.game(game)
    for release in draft.releases:
        writer.release(release)
    writer.hosts()
    made, lent = writer.changes.made, writer.lend()
    if made or lent:
        named = (made or writer.changes.entries)[0]
        what = source or f"{named.section} {named.name}"
        told = writer.changes.for_audit() | ({"lent": lent} if lent else {})
        audit.record(by, "import", what, game=writer.only_game(), **told)
    return writer.changes


class _Writer:
    def __init__(self, draft: Draft, stock: Stock, by: User | None) -> None:
        self.draft, self.stock, self.by = draft, stock, by
        self.changes = Changes()

    def only_game(self) -> Game | None:
        """What was changed belongs to this game alone."""
        made = {(change.section, change.name) for change in self.changes.made}
        if any(section == "credentials" for section, _name in made):
            return None
        draft = self.draft
        owners = {("games", game.entry.name): game.entry.name for game in draft.games}
        owners |= {("releases", one.entry.name): one.entry.game for one in draft.releases}
        owners |= {("hosts", host.entry.name): host.entry.game for host in draft.hosts}
        names = {owners[one] for one in made}
        return self.stock.games[names.pop()] if len(names) == 1 else None

    def credential(self, drafted: Drafted[CredentialEntry]) -> None:
        entry, secret = drafted.entry, self.draft.secrets[drafted.entry.name]
        row = self.stock.credentials.get(entry.name)
        if row and row.digest == secret.digest and not _is_locked(row):
            self.changes.add("credentials", entry.name, "unchanged")
            return
        if row:
            self.changes.add("credentials", entry.name, "changed", "secret")
        else:
            row = self.stock.credentials[entry.name] = Credential(name=entry.name)
            self.changes.add("credentials", entry.name, "created")
        row.kind = entry.kind
        credentials.keep(row, secret)

    def game(self, drafted: Drafted[GameEntry]) -> None:
        entry = drafted.entry
        recipe, is_new_text = self._recipe(entry)
        row = self.stock.games.get(entry.name)
        if row is None:
            row = Game.objects.create(
                name=entry.name,
                recipe=recipe,
                vars=entry.vars or {},
                rollouts=_rollouts(entry),
            )
            self.stock.games[entry.name] = row
            self.changes.add("games", entry.name, "created")
            return
        given = _given(entry, "vars")
        if "rollouts" in entry.model_fields_set:
            given["rollouts"] = _rollouts(entry)
        values = _assign(row, {"recipe": recipe, **given})
        changed = list(values)
        if changed:
            row.save()
        if is_new_text and "recipe" not in changed:
            changed.append("recipe")
        verb: Verb = "changed" if changed else "unchanged"
        self.changes.add("games", entry.name, verb, *changed, values=values)

    def _recipe(self, entry: GameEntry) -> tuple[Recipe, bool]:
        """The recipe's row, and whether its text is new."""
        read = self.draft.recipes.get(entry.name)
        if read is None:
            return Recipe.objects.get(name=entry.recipe), False
        before = RecipeRevision.objects.filter(recipe__name=read.recipe.name).order_by("number")
        newest = before.last()
        revision = revisions.store(read.text, file=read.file)
        return revision.recipe, revision != newest

    def release(self, drafted: Drafted[ReleaseEntry]) -> None:
        entry = drafted.entry
        if entry.name in self.stock.releases:
            self.changes.add("releases", entry.name, "unchanged")
            return
        release = Release(game=self.stock.games[entry.game], version=entry.version)
        if artifact := self.draft.artifacts.get(entry.name):
            release.sha256, release.size = artifact.sha256, artifact.size
            release.filename = artifact.name
        release.save()
        self.stock.releases[entry.name] = release
        self.changes.add("releases", entry.name, "created")

    def hosts(self) -> None:
        entries = [host.entry for host in self.draft.hosts]
        self._add_machines({entry.machine for entry in entries if entry.machine})
        # A host that others go through is written before them, so that they can point at it.
        waiting = entries
        while waiting:
            unwritten = {entry.name for entry in waiting}
            self._write_hosts([entry for entry in waiting if entry.via not in unwritten])
            waiting = [entry for entry in waiting if entry.via in unwritten]
        self._pin([entry for entry in entries if self._new_keys(entry)])

    def lend(self) -> list[str]:
        """Credentials become those of the games that name them; gives which, as the audit says."""
        lent = sorted(self.stock.named - self.stock.lent)
        through = Credential.games.through
        through.objects.bulk_create(
            [
                through(credential=self.stock.credentials[name], game=self.stock.games[game])
                for name, game in lent
            ],
            batch_size=BATCH,
        )
        return [f"{name}: {game}" for name, game in lent]

    def _add_machines(self, names: Iterable[str]) -> None:
        new = [Machine(name=name) for name in sorted(names) if name not in self.stock.machines]
        self.stock.machines |= {row.name: row for row in Machine.objects.bulk_create(new)}

    def _write_hosts(self, entries: list[HostEntry]) -> None:
        created, changed, fields = [], [], set[str]()
        for entry in entries:
            row = self.stock.hosts.get(entry.name)
            if row is None:
                row = self.stock.hosts[entry.name] = Host(name=entry.name)
                _assign(row, self._columns(entry))
                created.append(row)
                self.changes.add("hosts", entry.name, "created", values=self._pinning(entry))
                continue
            values = _assign(row, self._columns(entry))
            if values:
                changed.append(row)
                fields.update(values)
            values |= self._pinning(entry)
            verb: Verb = "changed" if values else "unchanged"
            self.changes.add("hosts", entry.name, verb, *values, values=values)
        Host.objects.bulk_create(created, batch_size=BATCH)
        if changed:
            Host.objects.bulk_update(changed, sorted(fields), batch_size=BATCH)

    def _columns(self, entry: HostEntry) -> dict[str, Any]:
        columns = {
            "game": self.stock.games[entry.game],
            "address": entry.address,
            "user": entry.user,
            "credential": self.stock.credentials[entry.credential],
            **_given(entry, "port", "labels", "vars"),
        }
        if "machine" in entry.model_fields_set:
            columns["machine"] = self.stock.machines[entry.machine] if entry.machine else None
        if "via" in entry.model_fields_set:
            columns["via"] = self.stock.hosts[entry.via] if entry.via else None
        return columns

    def _new_keys(self, entry: HostEntry) -> list[str]:
        pinned = self.stock.pinned.get(entry.name, {})
        return [key for key in entry.host_key if key not in pinned]

    def _pinning(self, entry: HostEntry) -> dict[str, tuple[Any, Any]]:
        """For the audit: the fingerprints that are pinned, and those that will be."""
        if not self._new_keys(entry):
            return {}
        held = sorted(self.stock.pinned.get(entry.name, {}).values())
        return {"host_key": (held, sorted(ssh.fingerprint(key) for key in entry.host_key))}

    def _pin(self, entries: list[HostEntry]) -> None:
        """The keys of these entries, and only those, are pinned from here on."""
        wanted = {self.stock.hosts[entry.name].pk: entry.host_key for entry in entries}
        old = named(HostKey.objects.all(), "host_id", wanted)
        gone = [key.pk for key in old if key.approved_at or key.key in wanted[key.host_id]]
        for start in range(0, len(gone), BATCH):
            HostKey.objects.filter(pk__in=gone[start : start + BATCH]).delete()
        now = timezone.now()
        HostKey.objects.bulk_create(
            [
                HostKey(
                    host_id=host,
                    key=key,
                    fingerprint=ssh.fingerprint(key),
                    approved_at=now,
                    approved_by=self.by,
                )
                for host, keys in wanted.items()
                for key in keys
            ],
            batch_size=BATCH,
        )
        for entry in entries:
            if replaced := self.stock.pinned.get(entry.name):
                audit.record(
                    self.by,
                    "replace_host_keys",
                    entry.name,
                    game=self.stock.games[entry.game],
                    before={"host_key": sorted(replaced.values())},
                    after={"host_key": [ssh.fingerprint(key) for key in entry.host_key]},
                )


def _is_locked(row: Credential) -> bool:
    """Its key is lost: only what is imported can be sealed anew."""
    found = sealed.of_credential(row)
    return found is not None and found.fault is not None


def _given(entry: GameEntry | HostEntry, *names: str) -> dict[str, Any]:
    """Of these keys, those that the entry gives; null stands for the empty mapping."""
    given = {name: getattr(entry, name) for name in names if name in entry.model_fields_set}
    return {name: {} if value is None else value for name, value in given.items()}


def _rollouts(entry: GameEntry) -> dict[str, Any]:
    """As they are stored: what the entry says, and no defaults of today."""
    given = (entry.rollouts or {}).items()
    return {name: one.model_dump(mode="json", exclude_unset=True) for name, one in given}


def _assign(row: Model, columns: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Set the columns that differ; gives what each held and holds, other rows by their names."""
    changed = {}
    for name, value in columns.items():
        key = f"{name}_id" if isinstance(value, Model) or value is None else name
        held = value.pk if isinstance(value, Model) else value
        if getattr(row, key) != held:
            changed[name] = (_plain(row, name), str(value) if isinstance(value, Model) else value)
            setattr(row, name, value)
    return changed


def _plain(row: Model, name: str) -> Any:
    if row._state.adding:
        return None
    held = getattr(row, name)
    return str(held) if isinstance(held, Model) else held
