"""What is said of pagers and of the calls to them, by the API and the pages alike."""

from django.db.models import Max, Q, QuerySet

from deploy_tasks.models import Call, Job, Pager
from deploy_tasks.times import iso
from webapp import access
from webapp.calls import pagers as kept
from webapp.shapes import CallReport, PagerReport


def pagers(user: access.Visitor) -> list[PagerReport]:
    """Those that the user sees, in two queries."""
    found = list(kept.visible(user))
    newest = Call.objects.filter(pager__in=found).values("pager").annotate(last=Max("pk"))
    last = Call.objects.filter(pk__in=newest.values("last")).select_related("pager")
    by_pager = {call.pager_id: call for call in last}
    return [_pager(one, by_pager.get(one.pk)) for one in found]


def pager(pager: Pager) -> PagerReport:
    return _pager(pager, pager.calls.select_related("pager").order_by("-pk").first())


def visible_calls(user: access.Visitor) -> QuerySet[Call]:
    """Calls to pagers that the user sees, newest first."""
    found = Call.objects.filter(pager__in=kept.visible(user))
    return found.select_related("pager").order_by("-pk")


def calls_of(job: Job, user: access.Visitor) -> list[CallReport]:
    """For whoever sees the job: calls to everybody's pagers, and to the user's own."""
    found = Call.objects.filter(Q(pager__user=None) | Q(pager__user=user.pk), job=job)
    return [call(one) for one in found.select_related("pager").order_by("pk")]


def undelivered(user: access.Visitor) -> list[CallReport]:
    """The newest call to each pager, where that one could not be delivered, or not yet."""
    return [
        one["last"]
        for one in pagers(user)
        if one["last"] and (one["last"]["state"] == Call.State.FAILED or one["last"]["error"])
        if one["last"]["state"] in (Call.State.FAILED, Call.State.WAITING)
    ]


def call(call: Call) -> CallReport:
    return {
        "id": call.pk,
        "pager": call.pager.name,
        "job": call.job_id,
        "moment": call.moment,
        "at": iso(call.at),
        "state": call.state,
        "tries": call.tries,
        "due_at": iso(call.due_at) if call.state == Call.State.WAITING else None,
        "error": call.error,
        "ended_at": iso(call.ended_at) if call.ended_at else None,
    }


def _pager(pager: Pager, last: Call | None) -> PagerReport:
    return {
        "name": pager.name,
        "kind": pager.kind,
        "shown": pager.shown,
        "game": pager.game.name if pager.game else None,
        "mine": pager.user is not None,
        "moments": pager.moments,
        "language": pager.language,
        "last": call(last) if last else None,
    }
