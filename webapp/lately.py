"""What failed lately, by cause: on the dashboard, for all jobs of a night."""

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from deploy_tasks.models import HostRun, Job
from deploy_tasks.states import JOB_OPEN
from webapp import failures
from webapp.failures import FAILED
from webapp.shapes import CauseReport

LATELY = timedelta(hours=24)
#: Jobs that are told, the newest.
MOST = 8


@dataclass
class Cause:
    """Hosts of one job that failed alike, by what one ``step`` tells.

    ``overtaken`` are those on which a newer job has run since: they are not retried any more. Of
    the others, how many are ``down``, how many were ``left`` at which version, and the steps that
    they go ``on_from`` (None: all stand): in which the cause stands, or those that failed.
    """

    job: Job
    step: str | None
    cause: str
    sample: str
    hosts: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    down: int = 0
    left: Counter[str] = field(default_factory=Counter)
    on_from: set[str | None] = field(default_factory=set)

    @property
    def all(self) -> list[str]:
        return [*self.hosts, *self.overtaken]

    @property
    def left_at(self) -> list[tuple[str, int]]:
        return self.left.most_common()

    @property
    def again(self) -> str | None:
        """The step that all of them go on from, where it is one."""
        return next(iter(self.on_from)) if len(self.on_from) == 1 else None


def failed(jobs: QuerySet[Job]) -> list[Cause]:
    """The newest jobs' first; of a job those of most hosts. What is still to do comes first."""
    recent = jobs.filter(Q(ended_at__gte=timezone.now() - LATELY) | Q(state__in=JOB_OPEN))
    newer = HostRun.objects.filter(host=OuterRef("host"), pk__gt=OuterRef("pk"))
    rows = (
        HostRun.objects.filter(job__in=recent, state__in=FAILED)
        .annotate(overtaken=Exists(newer))
        .order_by("-job", "pk")
        .values_list("job", "name", "overtaken", "pk", "ended_at")
    )
    overtaken: defaultdict[int, dict[str, bool]] = defaultdict(dict)
    stands: defaultdict[int, list[Hashable]] = defaultdict(list)
    for job, name, is_overtaken, *stand in rows:
        overtaken[job][name] = is_overtaken
        stands[job].append(tuple(stand))
    told = Job.objects.select_related("release__game", "revision").in_bulk(list(overtaken)[:MOST])
    found = [
        _cause(told[job], report, overtaken[job])
        for job in list(overtaken)[:MOST]
        for report in _causes(told[job], tuple(stands[job]))
    ]
    return sorted(found, key=lambda cause: not cause.hosts)


@lru_cache(maxsize=64)
def _causes(job: Job, stand: Hashable) -> list[CauseReport]:
    """Why hosts failed stays the same for as long as ``stand``, which and when, does."""
    return failures.failures(job)["causes"]


def _cause(job: Job, report: CauseReport, overtaken: dict[str, bool]) -> Cause:
    cause = Cause(job, report["found_in"] or report["step"], report["cause"], report["sample"])
    for host in report["hosts"]:
        # One that failed a moment after we looked.
        if overtaken.get(host["name"], False):
            cause.overtaken.append(host["name"])
            continue
        cause.hosts.append(host["name"])
        cause.down += host["down"]
        cause.on_from.add(host["back_to"] or host["again"])
        if host["left_at"]:
            cause.left[host["left_at"]] += 1
    return cause
