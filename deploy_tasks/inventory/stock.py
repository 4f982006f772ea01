"""What we already have of the things that a draft names, read in a handful of queries."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Model, QuerySet

from deploy_tasks import recipes
from deploy_tasks.inventory.draft import Draft
from deploy_tasks.models import (
    Credential,
    Game,
    Host,
    HostKey,
    KeyRule,
    Machine,
    Recipe,
    Release,
)

M = TypeVar("M", bound=Model)

#: A database takes so many names in one query without complaint.
CHUNK = 500


@dataclass(frozen=True)
class Reach:
    """What an entry may name although it is not its game's yet: credentials that become the
    game's thereby, machines that carry hosts of other games."""

    credentials: QuerySet[Credential]
    machines: QuerySet[Machine]


class Stock:
    """Rows by name; releases by ``game version``. ``pinned``: host name -> its approved keys.

    ``reach``: None: nothing beyond what is the game's.
    """

    def __init__(self, draft: Draft, reach: Reach | None) -> None:
        reach = reach or Reach(Credential.objects.none(), Machine.objects.none())
        hosts = [host.entry for host in draft.hosts]
        games = {*draft.named["games"], *(host.game for host in hosts)}
        games |= {release.entry.game for release in draft.releases}
        self.games = {
            game.name: game for game in named(Game.objects.select_related("recipe"), "name", games)
        }
        self.recipes = _newest_recipes(
            {game.recipe.name for game in self.games.values()}
            | {game.entry.recipe for game in draft.games}
        )
        self.credentials = {credential.name: credential for credential in Credential.objects.all()}
        lent = Credential.games.through.objects.values_list("credential__name", "game__name")
        #: Which credential is which game's to name: (credential, game).
        self.lent: set[tuple[str, str]] = set(lent)
        self.lendable = set(reach.credentials.values_list("name", flat=True))
        #: The same, of what this draft names; filled where that is checked.
        self.named: set[tuple[str, str]] = set()
        self.machines = {machine.name: machine for machine in Machine.objects.all()}
        on = Host.objects.exclude(machine=None).values_list("machine__name", "game__name")
        #: Which games have hosts on a machine: (machine, game).
        self.carried: set[tuple[str, str]] = set(on.distinct())
        self.within_reach = set(reach.machines.values_list("name", flat=True))
        self.releases = {
            f"{release.game.name} {release.version}": release
            for release in named(Release.objects.select_related("game"), "game__name", games)
        }
        self.hosts: dict[str, Host] = {}
        self._load_hosts({name for host in hosts for name in (host.name, host.via) if name})
        rules = KeyRule.objects.filter(kind=KeyRule.Kind.REVOKED).select_related("game")
        self.revoked = list(named(rules, "game__name", games))
        self.pinned: dict[str, dict[str, str]] = {}
        approved = HostKey.objects.filter(approved_at__isnull=False).select_related("host")
        for key in named(approved, "host__name", {host.name for host in hosts if host.host_key}):
            self.pinned.setdefault(key.host.name, {})[key.key] = key.fingerprint

    def via(self, name: str) -> str | None:
        """The name of the host that we go through to the host of this name."""
        host = self.hosts.get(name)
        return host.via.name if host and host.via else None

    def _load_hosts(self, names: Collection[str]) -> None:
        """And the hosts they go through, to the end of each way."""
        while names := set(names) - self.hosts.keys():
            rows = named(
                Host.objects.select_related("via", "game", "machine", "credential"), "name", names
            )
            found = {host.name: host for host in rows}
            self.hosts |= found
            names = {host.via.name for host in found.values() if host.via}


def _newest_recipes(names: Collection[str]) -> dict[str, recipes.Recipe]:
    """The recipe that each name stands for now, of those that there are."""
    rows = named(Recipe.objects.all(), "name", names)
    return {row.name: recipes.parse(row.newest().text, file=row.name) for row in rows}


def named(rows: QuerySet[M], field: str, names: Iterable[object]) -> Iterator[M]:
    """The rows of these names, in queries of a bounded size."""
    ordered = sorted(names, key=str)
    for start in range(0, len(ordered), CHUNK):
        yield from rows.filter(**{f"{field}__in": ordered[start : start + CHUNK]})
