"""The first page: what is wrong, what runs, what was, and which versions are out there."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from deploy_tasks import disk, truth
from deploy_tasks.models import Host, HostRun
from deploy_tasks.states import JOB_OPEN, HostRunState, JobState
from deploy_tasks.truth import Truth
from webapp import access, broker, failures, lately, reports
from webapp.access import Right, takes
from webapp.calls.reports import undelivered
from webapp.failures import Why
from webapp.first_steps import first_steps
from webapp.live import live, render
from webapp.standing import in_trouble
from webapp.versions import versions

#: More than a person reads at once; the page says how many more there are.
TROUBLED_SHOWN = 20
#: Of those of one job of which the same is said.
ALIKE_SHOWN = 3
#: Of which it is asked whether the same is said; beyond them hosts are counted alone.
COMPARED = 1000
OPEN_SHOWN = 20
RECENT_SHOWN = 8
DRIFTED_SHOWN = 10
#: Of a host in trouble.
TOLD = ("job__game", "job__release", "job__revision", "host__last_check")


@takes(Right.SEE)
@live
def dashboard(request: HttpRequest) -> HttpResponse:
    jobs = access.visible_jobs(request.user).select_related("game", "release").order_by("-pk")
    every_open = jobs.filter(state__in=JOB_OPEN)
    states = Counter(dict(every_open.order_by().values_list("state").annotate(n=Count("pk"))))
    still_open = list(every_open[:OPEN_SHOWN])
    recent = list(jobs.exclude(state__in=JOB_OPEN)[:RECENT_SHOWN])
    told = reports.jobs([*still_open, *recent], request.user)
    in_need = in_trouble(access.visible_hosts(request.user))
    compared = list(in_need.select_related(*TOLD)[:COMPARED])
    whys = failures.whys(compared)
    troubled = _folded(compared, whys)
    counts = in_need.aggregate(all=Count("pk"), down=Count("pk", filter=Q(down=True)))
    operated = access.games(request.user, access.Right.OPERATE)
    drifted = hosts_that_drifted(access.visible_hosts(request.user))
    return render(
        request,
        "dashboard.html",
        {
            "first_steps": first_steps(request.user),
            "open_jobs": told[: len(still_open)],
            "moving": states[JobState.RUNNING],
            "still": states[JobState.PAUSED] + states[JobState.HALTED],
            "ahead": states[JobState.WAITING],
            "recent": told[len(still_open) :],
            "asked": [row for row in troubled if row[0].state == HostRunState.UNKNOWN],
            "troubled": [row for row in troubled if row[0].state != HostRunState.UNKNOWN],
            "whys": whys,
            "more_troubled": counts["all"] - sum(1 + more for _run, more in troubled),
            "trouble_count": counts["all"],
            "down_count": counts["down"],
            "causes": lately.failed(access.visible_jobs(request.user)),
            "operated": set(operated.values_list("pk", flat=True)),
            "games": versions(access.visible_games(request.user)),
            "drifted": drifted[:DRIFTED_SHOWN],
            "more_drifted": max(0, len(drifted) - DRIFTED_SHOWN),
            "undelivered": undelivered(request.user),
            "broker": broker.watch.trouble,
            "disk": disk.word(),
            "disk_free": disk.free(),
        },
    )


def _folded(runs: Sequence[HostRun], whys: Mapping[int, Why]) -> list[tuple[HostRun, int]]:
    """Rows, each with how many more there are alike that have none of their own."""
    alike: defaultdict[Hashable, list[HostRun]] = defaultdict(list)
    for run in runs:
        alike[run.job_id, run.state, run.link, run.down, _said(run, whys.get(run.pk))].append(run)
    rows: list[tuple[HostRun, int]] = []
    for same in alike.values():
        shown = same[: min(ALIKE_SHOWN, TROUBLED_SHOWN - len(rows))]
        more = len(same) - len(shown)
        rows += [(run, more if run is shown[-1] else 0) for run in shown]
    return rows


def _said(run: HostRun, why: Why | None) -> Hashable:
    """What hosts have in common that stand as they do for the same reason."""
    return (why.step, why.found_in, why.cause) if why else (run.error, run.reason)


def hosts_that_drifted(hosts: QuerySet[Host]) -> list[tuple[Host, Truth]]:
    """Hosts that are known not to be as the last job left them, by name."""
    found = list(truth.drifted(hosts).select_related("game"))
    known = truth.of(Host.objects.filter(pk__in=[host.pk for host in found]))
    return [(host, known[host.pk]) for host in found]
