"""One host: how it stands, its keys and its past."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deploy_tasks import hosts as host_orders
from deploy_tasks import key_rules, truth
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import Host, HostRun
from deploy_tasks.ssh import fingerprint
from webapp import access, failures
from webapp.access import Right, takes
from webapp.converters import number
from webapp.history import day, last_lines
from webapp.live import live, render

HISTORY_SHOWN = 30


@takes(Right.SEE)
@live
def host(request: HttpRequest, name: str) -> HttpResponse:
    """``?before=`` goes on with jobs below that number."""
    host = _host(request, name)
    runs = HostRun.objects.filter(host=host).select_related("job__release").order_by("-pk")
    before = request.GET.get("before", "")
    older_than = number(before)
    past = runs if older_than is None else runs.filter(job__lt=older_than)
    shown = list(past.annotate(tried=Count("attempts"))[: HISTORY_SHOWN + 1])
    last = runs.first()
    keys = list(host.keys.select_related("approved_by").order_by("-approved_at", "pk"))
    return render(
        request,
        "host.html",
        {
            "host": host,
            "truth": truth.of(Host.objects.filter(pk=host.pk))[host.pk],
            "runs": shown[:HISTORY_SHOWN],
            "older_than": shown[-2].job_id if len(shown) > HISTORY_SHOWN else None,
            "before": before,
            "last": last,
            "whys": failures.whys([last, *shown] if last else shown),
            "said": last_lines(last) if last else None,
            "day": day(host, now=timezone.now()),
            "pinned": [key for key in keys if key.approved_at],
            "offered": [key for key in keys if not key.approved_at],
            "authorities": [fingerprint(key) for key in key_rules.authorities_of(host)],
            "check": getattr(host, "last_check", None),
            "newest": host.game.releases.order_by("-pk").first(),
            "may_maintain": access.may(request.user, Right.MAINTAIN, host.game),
            "may_operate": access.may(request.user, Right.OPERATE, host.game),
        },
    )


@takes(Right.OPERATE)
@require_POST
def test(request: HttpRequest, name: str) -> HttpResponse:
    host = _host(request, name)
    access.require(request.user, Right.OPERATE, host.game)
    host_orders.test(Host.objects.filter(pk=host.pk))
    return redirect("host", host.name)


@takes(Right.MAINTAIN)
@require_POST
def approve_key(request: HttpRequest, name: str) -> HttpResponse:
    """``replace`` says that the host's key was changed on purpose; without it that is refused."""
    host = _host(request, name)
    access.require(request.user, Right.MAINTAIN, host.game)
    try:
        host_orders.approve_key(
            host,
            fingerprint=request.POST.get("fingerprint", ""),
            by=cast(User, request.user),
            replace="replace" in request.POST,
        )
    except (InvalidInput, OrderRefused) as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("Approved: jobs may run on %(host)s.") % {"host": host})
    return redirect("host", host.name)


def _host(request: HttpRequest, name: str) -> Host:
    found = access.visible_hosts(request.user).select_related(
        "game__recipe", "credential", "machine", "via", "last_check"
    )
    return get_object_or_404(found, name=name)
