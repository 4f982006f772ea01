"""All jobs, the newest first: found by state, game, who and when."""

from datetime import date, datetime, time
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks.models import Job
from deploy_tasks.states import JOB_OPEN, JobState
from webapp import access, reports
from webapp.access import Right, takes
from webapp.converters import number
from webapp.live import live, render

PAGE = 50
NAMES = ("state", "game", "by", "since")
#: A state of its own for the filter: whatever is not over yet.
OPEN = "open"


@takes(Right.SEE)
@live
def jobs(request: HttpRequest) -> HttpResponse:
    """``?state=``, ``?game=``, ``?by=``, ``?since=2026-11-21`` (UTC) filter; ``?before=`` goes on
    below that number, ``?after=`` above it."""
    given = {name: request.GET.get(name, "").strip() for name in NAMES}
    asked = {name: value for name, value in given.items() if value}
    found = _found(access.visible_jobs(request.user), given)
    page, newer, older = _page(found, request.GET.get("before", ""), request.GET.get("after", ""))
    return render(
        request,
        "jobs.html",
        given
        | {
            "jobs": reports.jobs(page, request.user),
            "newer_than": page[0].pk if page and newer else None,
            "older_than": page[-1].pk if page and older else None,
            "states": [(OPEN, _("not over yet")), *JobState.choices],
            "games": access.visible_games(request.user).order_by("name"),
            "query": urlencode(asked),
            "filtered": bool(asked),
        },
    )


def _found(jobs: QuerySet[Job], given: dict[str, str]) -> QuerySet[Job]:
    if given["state"] == OPEN:
        jobs = jobs.filter(state__in=JOB_OPEN)
    elif given["state"] in JobState:
        jobs = jobs.filter(state=given["state"])
    if given["game"]:
        jobs = jobs.filter(game__name=given["game"])
    if given["by"]:
        jobs = jobs.filter(by_name__iexact=given["by"])
    if since := _day(given["since"]):
        jobs = jobs.filter(created_at__gte=since)
    return jobs


def _page(jobs: QuerySet[Job], before: str, after: str) -> tuple[list[Job], bool, bool]:
    """Up to PAGE jobs, and whether there are newer and older ones. Costs the same on every page,
    however many jobs there are: no page is counted to."""
    jobs = jobs.select_related("game", "release")
    newer_than, older_than = number(after), number(before)
    if newer_than is not None:
        found = list(jobs.filter(pk__gt=newer_than).order_by("pk")[: PAGE + 1])
        if len(found) > PAGE:
            return found[:PAGE][::-1], True, True
        older_than = None  # so few are newer that they begin the first page
    if older_than is not None:
        jobs = jobs.filter(pk__lt=older_than)
    found = list(jobs.order_by("-pk")[: PAGE + 1])
    return found[:PAGE], older_than is not None, len(found) > PAGE


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time.min, timezone.get_default_timezone())
    except ValueError:
        return None
