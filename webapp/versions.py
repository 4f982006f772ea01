"""Which versions are out there: as the hosts said in their last job."""

from dataclasses import dataclass, field

from django.db.models import Count, OuterRef, QuerySet, Subquery

from deploy_tasks.models import Game, Host, HostRun, Release


@dataclass
class GameVersions:
    """How many hosts of a game were last seen at which version; "" where none was ever seen.

    ``newest`` is the release that was added last, the one to be at; "" where there is none.
    """

    game: Game
    newest: str
    hosts: int = 0
    found: dict[str, int] = field(default_factory=dict)

    @property
    def to_go(self) -> int:
        return self.hosts - self.found.get(self.newest, 0) if self.newest else 0


def versions(games: QuerySet[Game]) -> list[GameVersions]:
    """In two queries, however many hosts there are."""
    added = Release.objects.filter(game=OuterRef("pk")).order_by("-pk")
    listed = games.order_by("name").annotate(newest=Subquery(added.values("version")[:1]))
    table = {game.pk: GameVersions(game, game.newest or "") for game in listed}
    seen = HostRun.objects.filter(host=OuterRef("pk")).exclude(version="").order_by("-pk")
    rows = (
        Host.objects.filter(game__in=list(table))
        .annotate(seen=Subquery(seen.values("version")[:1]))
        .values_list("game", "seen")
        .annotate(count=Count("pk"))
        .order_by("-count", "seen")
    )
    for game, version, count in rows:
        table[game].found[version or ""] = count
        table[game].hosts += count
    return list(table.values())
