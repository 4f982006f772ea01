"""Games, their recipes and releases."""

from django.db.models import Count, Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_tasks.models import Release
from webapp import access
from webapp.access import Right, takes


@takes(Right.SEE)
def games(request: HttpRequest) -> HttpResponse:
    releases = Prefetch("releases", Release.objects.order_by("-pk"))
    found = (
        access.visible_games(request.user)
        .select_related("recipe")
        .annotate(host_count=Count("hosts"))
        .prefetch_related(releases)
        .order_by("name")
    )
    maintained = access.games(request.user, Right.MAINTAIN)
    return render(request, "games.html", {"games": found, "maintained": set(maintained)})
