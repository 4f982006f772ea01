"""All hosts: found by name, label, game, version and how they stand."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from deploy_tasks import hosts as host_orders
from deploy_tasks.models import Host
from webapp import access
from webapp.access import Right, takes
from webapp.live import live, render
from webapp.standing import Standing, last_runs, pinned, seen_at, seen_version, standing

PAGE = 100
#: Labels that are offered, and values of each: more are found by typing.
LABELS, VALUES = 6, 12
NAMES = ("game", "q", "version", "state")
#: Of a version: no job has seen one yet.
NOT_SEEN = "-"


@takes(Right.SEE)
@live
def hosts(request: HttpRequest) -> HttpResponse:
    """``?game=``, ``?state=``, ``?version=``, any number of ``?label=name=value``; ``?q=`` is a
    part of a name, or ``label=value``."""
    given = {name: request.GET.get(name, "").strip() for name in NAMES}
    labels = [one for one in request.GET.getlist("label") if "=" in one]
    visible = access.visible_hosts(request.user)
    of_game = visible.filter(game__name=given["game"]) if given["game"] else visible
    found = _labelled(of_game, labels)
    if "=" in given["q"]:
        found = _labelled(found, [given["q"]])
    elif given["q"]:
        found = found.filter(name__icontains=given["q"])
    if given["version"]:
        found = seen_at(found, "" if given["version"] == NOT_SEEN else given["version"])
    if given["state"] in Standing:
        found = standing(found, Standing(given["state"]))
    rows = found.select_related("game", "last_check").order_by("name")
    rows = rows.annotate(pinned=pinned(), seen=seen_version())
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    of_host = {run.host_id: run for run in last_runs(_these(shown)).select_related("job__release")}
    asked = [(name, value) for name, value in given.items() if value]
    return render(
        request,
        "hosts.html",
        given
        | {
            "page": page,
            "rows": [(host, of_host.get(host.pk)) for host in shown],
            "games": access.visible_games(request.user).order_by("name"),
            "states": Standing.choices,
            "labels": labels,
            "facets": facets(of_game, labels),
            "query": urlencode([*asked, *(("label", one) for one in labels)]),
            "filtered": bool(asked or labels),
        },
    )


def facets(hosts: QuerySet[Host], chosen: list[str]) -> dict[str, list[tuple[str, int, bool]]]:
    """Label -> (value, hosts that have it, whether it is chosen), the commonest labels."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for labels in hosts.values_list("labels", flat=True).iterator():
        for label, value in labels.items():
            found[label][str(value)] += 1
    commonest = sorted(found, key=lambda label: (-found[label].total(), label))[:LABELS]
    return {
        label: [
            (value, count, f"{label}={value}" in chosen)
            for value, count in sorted(found[label].most_common(VALUES))
        ]
        for label in commonest
    }


def _labelled(hosts: QuerySet[Host], labels: list[str]) -> QuerySet[Host]:
    """Of several values of one label any will do; of several labels, each must be there."""
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for one in labels:
        label, _equals, value = one.partition("=")
        wanted[label].append(value)
    for label, values in wanted.items():
        hosts = host_orders.labelled(hosts, label, *values)
    return hosts


def _these(hosts: Sequence[Host]) -> QuerySet[Host]:
    return Host.objects.filter(pk__in=[host.pk for host in hosts])
