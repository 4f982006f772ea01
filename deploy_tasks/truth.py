"""Three truths about a host's version: the one wanted, the one on its disk, the one that runs.

Wanted is what the last job left there: its release; of a rollback, what was there before. A job
that left the host out has left nothing there. On disk is what the recipe's ``current`` printed, in
that job or when the host was looked at since. Running is what the game said of itself, where the
recipe has a query. Where a job left a host failed or unknown nothing is wanted: that host needs a
person, and is no case of drift.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from django.db.models import Case, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from deploy_tasks.models import Host, HostRun, Release, Sighting
from deploy_tasks.states import HostRunState
from deploy_tasks.wishes import Wish

WELL = (HostRunState.SUCCEEDED, HostRunState.SKIPPED)
#: Not those that were at the release already.
LEFT_OUT = Q(state=HostRunState.SKIPPED) & (Q(started_at=None) | Q(wish=Wish.LEAVE_OUT))
#: What a host run that ended well has left there.
LEFT = Case(
    When(undoes=None, then=F("job__release__version")), default=Coalesce("previous", Value(""))
)


@dataclass(frozen=True)
class Truth:
    """Empty: not known. ``players`` None: not known, which is not zero. ``silence`` says why the
    running game did not answer; ``asked_at`` is when it was asked."""

    wanted: str = ""
    on_disk: str = ""
    on_disk_at: datetime | None = None
    running: str = ""
    players: int | None = None
    asked_at: datetime | None = None
    silence: str = ""
    #: The running version is a release of the game, so it can be compared.
    comparable: bool = False

    @property
    def drift(self) -> str:
        """How the host is known not to be what the last job made of it; empty where it is."""
        if not self.wanted:
            return ""
        if self.on_disk_at and self.on_disk != self.wanted:
            return _("on disk is %(found)s, but the last job left %(wanted)s there") % {
                "found": self.on_disk or _("nothing"),
                "wanted": self.wanted,
            }
        if self.comparable and self.running != self.wanted:
            return _("%(found)s runs, but the last job left %(wanted)s there") % {
                "found": self.running,
                "wanted": self.wanted,
            }
        return ""


def of(hosts: QuerySet[Host]) -> dict[int, Truth]:
    """By the host's id; in three queries, however many hosts there are."""
    in_jobs = HostRun.objects.filter(host__in=hosts).exclude(LEFT_OUT)
    newest = in_jobs.values("host").annotate(last=Max("pk"))
    rows = HostRun.objects.filter(pk__in=newest.values("last"))
    runs = {
        host: _Run(state, version, ended_at, left)
        for host, state, version, ended_at, left in rows.values_list(
            "host", "state", "version", "ended_at", LEFT
        )
    }
    known = Release.objects.filter(game=OuterRef("host__game"), version=OuterRef("running"))
    seen = {
        one.host_id: one
        for one in Sighting.objects.filter(host__in=hosts).annotate(comparable=Exists(known))
    }
    ids = hosts.values_list("pk", flat=True)
    return {pk: _truth(runs.get(pk), seen.get(pk)) for pk in ids}


def wanted(host: Host) -> str:
    """What the last job left there; empty where none did, or it ended badly."""
    last = host.host_runs.exclude(LEFT_OUT).order_by("-pk").values_list("state", LEFT).first()
    return last[1] if last and last[0] in WELL else ""


def drifted(hosts: QuerySet[Host]) -> QuerySet[Host]:
    """Those of which `of` would tell a drift."""
    last = HostRun.objects.filter(host=OuterRef("pk")).exclude(LEFT_OUT).order_by("-pk")
    release = Release.objects.filter(game=OuterRef("game"), version=OuterRef("sighting__running"))
    on_disk = Q(sighting__on_disk__isnull=False) & ~Q(sighting__on_disk=F("wanted"))
    runs = Q(Exists(release)) & ~Q(sighting__running=F("wanted"))
    return (
        hosts.alias(
            last_state=Subquery(last.values("state")[:1]),
            ended=Subquery(last.values("ended_at")[:1]),
            wanted=Subquery(last.values(left=LEFT)[:1]),
        )
        .filter(on_disk | runs, last_state__in=WELL, sighting__at__gt=F("ended"))
        .exclude(wanted="")
        .order_by("name")
    )


class _Run(NamedTuple):
    state: str
    version: str
    ended_at: datetime | None
    left: str


def _truth(run: _Run | None, seen: Sighting | None) -> Truth:
    truth = Truth()
    if run:
        truth = Truth(
            wanted=run.left if run.state in WELL else "",
            on_disk=run.version,
            on_disk_at=run.ended_at if run.version else None,
        )
    if seen is None or (run and run.ended_at and run.ended_at > seen.at):
        return truth  # what was seen before the job says nothing of what is there now
    if seen.on_disk is not None:
        truth = replace(truth, on_disk=seen.on_disk, on_disk_at=seen.at)
    return replace(
        truth,
        running=seen.running,
        players=seen.players,
        silence=seen.silence,
        asked_at=seen.at,
        comparable=bool(getattr(seen, "comparable", False)),
    )


def contradicts(host: Host, running: str) -> bool:
    """The version that the game reports is another release than the one wanted."""
    there = wanted(host)
    return bool(there) and running != there and host.game.releases.filter(version=running).exists()
