"""The page of a job."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from deploy_tasks import causes, floors, revisions
from deploy_tasks.models import Attempt, Event, Job
from deploy_tasks.recipes.schema import Recipe
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import JOB_ENDED, AttemptKind, AttemptState
from deploy_tasks.times import iso
from webapp import access, broker, reports
from webapp.access import Right, takes
from webapp.calls.reports import calls_of
from webapp.terms import terms

#: Orders, gates and batches: the latest chapters of a job's story.
ACTIVITY = 30
TOLD_AS_ACTIVITY = [Event.Kind.ORDER, Event.Kind.JOB, Event.Kind.BATCH, Event.Kind.NOTE]


@takes(Right.SEE)
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    job = get_object_or_404(
        access.visible_jobs(request.user).select_related("game", "release", "revision__recipe"),
        pk=job_id,
    )
    report = reports.job(job, request.user)
    api = f"/api/v1/jobs/{job.pk}"
    page = {
        "job": report,
        "steps": revisions.step_names(job.revision),
        "rules": _rules(revisions.recipe_of(job.revision)),
        "activity": activity(job),
        "cancelled": job.cancelled,
        "marks": causes.MARKS,
        "urls": {
            "job": api,
            "hosts": f"{api}/hosts",
            "events": f"{api}/events",
            "story": f"{api}/story",
            "failures": f"{api}/failures",
            "pace": f"{api}/pace",
            "stream": f"/ws/jobs/{job.pk}/",
            "steps": reverse("job-steps", args=[job.pk]),
            "host": reverse("host", args=["HOST"]),
            "jobs": reverse("jobs"),
            "inventory": reverse("hosts"),
            "again": _again(request, job),
        },
    }
    told = {"job": job, "report": report, "page": page}
    told["steps"] = revisions.recipe_of(job.revision).steps
    told["terms"] = terms(Rollout.model_validate(job.rollout))
    told["broker"] = None if job.state in JOB_ENDED else broker.watch.trouble
    told["calls"] = calls_of(job, request.user)
    return render(request, "job.html", told)


def _rules(recipe: Recipe) -> dict[str, Any]:
    """Of each step what a person has to know who says what became of it."""
    felt = floors.felt(recipe)
    return {
        step.name: {"repeat": step.repeat, "always": step.always, "felt": n in felt}
        for n, step in enumerate(recipe.steps)
    }


def _again(request: HttpRequest, job: Job) -> str | None:
    """Where one like it is ordered, by who may."""
    may = access.may(request.user, Right.OPERATE, job.game) and job.rolls_back_id is None
    return f"{reverse('job-new')}?like={job.pk}" if may else None


@takes(Right.SEE)
def steps(request: HttpRequest, job_id: int) -> JsonResponse:
    """``{as_of_seq, hosts: {name: [{step, n, kind, state, rc, seconds, at}]}}``, for the table.

    The newest attempt of each step, and its undo where that came later. Rows are read after
    ``as_of_seq``: what they tell too early, the stream tells again.
    """
    job = get_object_or_404(access.visible_jobs(request.user), pk=job_id)
    told: defaultdict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
    attempts = Attempt.objects.filter(host_run__job=job).exclude(state=AttemptState.ABANDONED)
    for host, *attempt in attempts.order_by("pk").values_list("host_run__name", *ATTEMPT):
        step = _step(*attempt)
        if step["kind"] == AttemptKind.DO:
            told[host].pop((step["step"], AttemptKind.UNDO), None)
        told[host][step["step"], step["kind"]] = step
    hosts = {name: list(steps.values()) for name, steps in told.items()}
    return JsonResponse({"as_of_seq": job.last_seq, "hosts": hosts})


# Plain rows: of 5,000 hosts the objects would take most of the time.
ATTEMPT = ("name", "number", "kind", "state", "exit_status", "started_at", "ended_at")


def _step(
    name: str,
    number: int,
    kind: str,
    state: str,
    rc: int | None,
    begun: datetime | None,
    ended: datetime | None,
) -> dict[str, Any]:
    return {
        "step": name,
        "n": number,
        "kind": kind,
        "state": state,
        "rc": rc,
        "seconds": (ended - begun).total_seconds() if begun and ended else None,
        "at": begun and iso(begun),
    }


def activity(job: Job) -> list[dict[str, Any]]:
    """The newest chapters as stream items, oldest first."""
    return [
        {"s": row["seq"], "k": row["kind"], "at": iso(row["at"]), **(row["data"] or {})}
        for row in reversed(chapters(job).values("seq", "kind", "at", "data")[:ACTIVITY])
    ]


def chapters(job: Job) -> QuerySet[Event]:
    """Newest first. All of these kinds have data: asking for it lets their index be used."""
    told = Event.objects.filter(job=job, kind__in=TOLD_AS_ACTIVITY, data__isnull=False)
    return told.order_by("-seq")
