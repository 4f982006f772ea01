"""The inventory as people see it: all hosts, and one host with its keys and its past."""

from collections.abc import Iterable
from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deploy_tasks import hosts as host_orders
from deploy_tasks import truth
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import Host, HostRun
from webapp import access
from webapp.access import Right, takes
from webapp.live import live, render

PAGE = 200
HISTORY_SHOWN = 30


@takes(Right.SEE)
@live
def hosts(request: HttpRequest) -> HttpResponse:
    """``?game=`` and ``?q=`` filter; q is a part of a name, or ``label=value``."""
    found = access.visible_hosts(request.user).select_related("game", "last_check")
    found = found.order_by("name")
    game, q = request.GET.get("game", ""), request.GET.get("q", "").strip()
    if game:
        found = found.filter(game__name=game)
    label, equals, value = q.partition("=")
    if label and equals:
        found = host_orders.labelled(found, label, value)
    elif q:
        found = found.filter(name__icontains=q)
    pinned = Count("keys", filter=Q(keys__approved_at__isnull=False))
    page = Paginator(found.annotate(pinned=pinned), PAGE).get_page(request.GET.get("page"))
    runs = last_runs(page.object_list)
    return render(
        request,
        "hosts.html",
        {
            "page": page,
            "rows": [(host, runs.get(host.pk)) for host in page],
            "games": access.visible_games(request.user).order_by("name"),
            "game": game,
            "q": q,
        },
    )


@takes(Right.SEE)
@live
def host(request: HttpRequest, name: str) -> HttpResponse:
    host = _host(request, name)
    runs = list(
        HostRun.objects.filter(host=host)
        .select_related("job__release")
        .annotate(attempts_made=Count("attempts"))
        .order_by("-pk")[:HISTORY_SHOWN]
    )
    keys = list(host.keys.select_related("approved_by").order_by("-approved_at", "pk"))
    return render(
        request,
        "host.html",
        {
            "host": host,
            "runs": runs,
            "last": runs[0] if runs else None,
            "truth": truth.of(Host.objects.filter(pk=host.pk))[host.pk],
            "pinned": [key for key in keys if key.approved_at],
            "offered": [key for key in keys if not key.approved_at],
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


def last_runs(hosts: Iterable[Host]) -> dict[int, HostRun]:
    """The newest host run of each host, by the host's id."""
    newest = HostRun.objects.filter(host__in=list(hosts)).values("host").annotate(last=Max("pk"))
    runs = HostRun.objects.filter(pk__in=newest.values("last")).select_related("job__release")
    return {run.host_id: run for run in runs if run.host_id}


def _host(request: HttpRequest, name: str) -> Host:
    found = access.visible_hosts(request.user).select_related(
        "game__recipe", "credential", "machine", "via", "last_check"
    )
    return get_object_or_404(found, name=name)
