"""Games, their recipes and releases."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_tasks.models import Release
from webapp import access


@login_required
def games(request: HttpRequest) -> HttpResponse:
    releases = Prefetch("releases", Release.objects.order_by("-pk"))
    found = (
        access.visible_games(request.user)
        .select_related("recipe")
        .annotate(host_count=Count("hosts"))
        .prefetch_related(releases)
        .order_by("name")
    )
    administered = access.games(request.user, access.Right.ADMINISTER)
    return render(request, "games.html", {"games": found, "administered": set(administered)})
