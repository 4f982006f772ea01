"""Games, their recipes and releases, and which of these are out there."""

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse

from deploy_tasks.models import Release
from webapp import access
from webapp.access import Right, takes
from webapp.live import live, render
from webapp.versions import by_version, versions


@takes(Right.SEE)
@live
def games(request: HttpRequest) -> HttpResponse:
    releases = Prefetch("releases", Release.objects.order_by("-pk"))
    found = access.visible_games(request.user).select_related("recipe").prefetch_related(releases)
    told = [
        (one.game, one.hosts, by_version(one, one.game.releases.all())) for one in versions(found)
    ]
    maintained = access.games(request.user, Right.MAINTAIN)
    return render(request, "games.html", {"games": told, "maintained": set(maintained)})
