"""The first page: what is wrong, what runs, what was, and which versions are out there."""

from dataclasses import dataclass, field

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_tasks.models import Game, Host, HostRun, Release
from deploy_tasks.states import HOST_ENDED, JOB_ENDED, HostRunState, Link
from webapp import access, reports

#: More than a person reads at once; the page says how many more there are.
TROUBLED_SHOWN = 20
RUNNING_SHOWN = 20
RECENT_SHOWN = 8


@dataclass
class GameVersions:
    """Which versions the hosts of a game were last seen at; "" where none was ever seen."""

    game: Game
    newest: str
    hosts: int = 0
    found: dict[str, int] = field(default_factory=dict)

    @property
    def behind(self) -> int:
        return self.hosts - self.found.get(self.newest, 0) if self.newest else 0


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    jobs = access.visible_jobs(request.user).select_related("game", "release").order_by("-pk")
    running = list(jobs.exclude(state__in=JOB_ENDED)[:RUNNING_SHOWN])
    recent = list(jobs.filter(state__in=JOB_ENDED)[:RECENT_SHOWN])
    told = reports.jobs([*running, *recent], request.user)
    troubled = in_trouble(access.visible_hosts(request.user))
    counts = troubled.aggregate(all=Count("pk"), down=Count("pk", filter=Q(down=True)))
    return render(
        request,
        "dashboard.html",
        {
            "running": told[: len(running)],
            "recent": told[len(running) :],
            "troubled": troubled[:TROUBLED_SHOWN],
            "more_troubled": max(0, counts["all"] - TROUBLED_SHOWN),
            "trouble_count": counts["all"],
            "down_count": counts["down"],
            "games": versions(access.visible_games(request.user)),
        },
    )


def in_trouble(hosts: QuerySet[Host]) -> QuerySet[HostRun]:
    """The last host run of each host that needs a person: down first, then failed, unknown."""
    last = HostRun.objects.filter(host=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    runs = HostRun.objects.filter(pk__in=hosts.annotate(last=Subquery(last)).values("last"))
    silent = Q(link=Link.UNREACHABLE) & ~Q(state__in=HOST_ENDED)
    bad = [HostRunState.FAILED, HostRunState.ROLLED_BACK, HostRunState.UNKNOWN]
    rank = Case(
        When(down=True, then=0),
        When(state=HostRunState.FAILED, then=1),
        default=2,
        output_field=IntegerField(),
    )
    return (
        runs.filter(Q(down=True) | Q(state__in=bad) | silent)
        .select_related("job__game", "job__release")
        .order_by(rank, "-ended_at", "name")
    )


def versions(games: QuerySet[Game]) -> list[GameVersions]:
    """In two queries, however many hosts there are. The release added last is the one to be at."""
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
