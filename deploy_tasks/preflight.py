"""Before a job: is every host of an order fit for it? Each finding by host.

What the rows know is told at once; what only the host knows is asked by a worker, by the same
look as *Test the connection*, and is told when it has come.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import hosts as host_orders
from deploy_tasks.models import Host, HostCheck
from deploy_tasks.orders.choosing import Choice, JobOrder, choose
from deploy_tasks.orders.fitting import misfits
from deploy_tasks.orders.taken import busy, busy_reason

#: A look that is younger is believed.
FRESH = timedelta(minutes=10)

State = Literal["pending", "fit", "unfit"]


@dataclass
class Finding:
    """One host: ``problems`` stand in a job's way, ``warnings`` are worth a look. Both are
    ``{"part", "says"}``; ``part`` is of `HostCheck.Part`, or ``job`` and ``order``."""

    host: str
    state: State = "pending"
    problems: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    checked_at: datetime | None = None


def check(order: JobOrder, *, again: bool = False) -> list[Finding]:
    """What is known by now, in the order in which the hosts would start. Looks that are missing or
    old, with ``again`` all that are not under way, are asked for. Raises InvalidInput."""
    choice = choose(order)
    found = choice.hosts
    checks = {one.host_id: one for one in HostCheck.objects.filter(host__in=found)}
    stale = [host for host in found if _wants_look(checks.get(host.pk), again)]
    if stale:
        host_orders.test(Host.objects.filter(pk__in=[host.pk for host in stale]))
        for host in stale:
            checks.pop(host.pk, None)
    return _findings(choice, checks)


def _wants_look(check: HostCheck | None, again: bool) -> bool:
    if check is None or not (check.is_pending or check.ended_at):
        return True
    if check.is_pending:
        return False
    return again or check.asked_at < timezone.now() - FRESH


def _findings(choice: Choice, checks: dict[int, HostCheck]) -> list[Finding]:
    known: dict[str, list[dict[str, str]]] = {}
    for one in busy(choice.hosts):
        known.setdefault(one["host"], []).append({"part": "job", "says": busy_reason(one)})
    for unfit in misfits(choice):
        known.setdefault(unfit.host, []).append({"part": "order", "says": unfit.error.message})
    return [_finding(host, known.get(host.name, []), checks.get(host.pk)) for host in choice.hosts]


def _finding(host: Host, known: list[dict[str, str]], check: HostCheck | None) -> Finding:
    found = Finding(host.name, problems=known)
    if check is None or check.is_pending:
        return found
    if check.ended_at is None:
        found.problems.append({"part": "reachable", "says": _("no worker has looked at it")})
    told = {HostCheck.Result.PROBLEM: found.problems, HostCheck.Result.WARNING: found.warnings}
    for item in check.items:
        if item["result"] in told:
            told[HostCheck.Result(item["result"])].append(_shown(item))
    found.checked_at = check.ended_at
    found.state = "unfit" if found.problems else "fit"
    return found


def _shown(item: dict[str, Any]) -> dict[str, str]:
    return {"part": item["part"], "says": item["says"]}
