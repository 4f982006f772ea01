"""Which versions are out there, game by game: wanted, on disk, and reported by the games."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import OuterRef, QuerySet, Subquery

from deploy_tasks import truth
from deploy_tasks.models import Game, Host, Release
from webapp.standing import seen_version


@dataclass
class GameVersions:
    """Hosts of a game by version; "" where it is not known.

    ``wanted`` is what the last job left there; ``on_disk`` what the host said last, in a job or
    since; ``reported`` what the running game says, of those that were asked. ``newest`` is the
    release that was added last, the one to be at; "" where there is none.
    """

    game: Game
    newest: str
    hosts: int = 0
    wanted: Counter[str] = field(default_factory=Counter)
    on_disk: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)

    @property
    def to_go(self) -> int:
        return self.hosts - self.on_disk[self.newest] if self.newest else 0

    @property
    def columns(self) -> list[list[tuple[str, int]]]:
        """Wanted, on disk, reported: the commonest versions first, what is not known last."""
        return [_ordered(counts.items()) for counts in (self.wanted, self.on_disk, self.reported)]


def versions(games: QuerySet[Game]) -> list[GameVersions]:
    """In a fixed number of queries, however many hosts there are."""
    added = Release.objects.filter(game=OuterRef("pk")).order_by("-pk")
    listed = games.order_by("name").annotate(newest=Subquery(added.values("version")[:1]))
    table = {game.pk: GameVersions(game, game.newest or "") for game in listed}
    hosts = Host.objects.filter(game__in=list(table))
    known = truth.of(hosts)
    for pk, game, seen in hosts.annotate(seen=seen_version()).values_list("pk", "game", "seen"):
        row, told = table[game], known.get(pk, truth.Truth())
        row.hosts += 1
        # A host that waits in a job has what it had before.
        row.on_disk[told.on_disk if told.on_disk_at else seen or ""] += 1
        if told.wanted:
            row.wanted[told.wanted] += 1
        if told.asked_at:
            row.reported[told.running] += 1
    return list(table.values())


@dataclass(frozen=True)
class VersionCounts:
    """Hosts that are wanted at a version, have it on disk, and report it; "" is not known. A
    version that hosts speak of may be no release of ours."""

    version: str
    release: Release | None
    wanted: int
    on_disk: int
    reported: int


def by_version(known: GameVersions, releases: Iterable[Release]) -> list[VersionCounts]:
    """The releases in their order, then what else hosts have, and last what is not known."""
    ours = {release.version: release for release in releases}
    seen = {*known.wanted, *known.on_disk, *known.reported} - {*ours, ""}
    unknown = [""] if known.on_disk[""] or known.reported[""] else []
    return [
        VersionCounts(
            version=version,
            release=ours.get(version),
            wanted=known.wanted[version],
            on_disk=known.on_disk[version],
            reported=known.reported[version],
        )
        for version in (*ours, *sorted(seen), *unknown)
    ]


def _ordered(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda one: (not one[0], -one[1], one[0]))
