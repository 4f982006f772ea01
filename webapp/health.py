"""Whether this instance is well, in one word each, for load balancers, bin/serve and people."""

from collections.abc import Callable
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from deploy_tasks import clock, disk, owner
from deploy_tasks.models import Worker
from webapp import broker
from webapp.access import Open, takes

SEEN_WITHIN = timedelta(seconds=15)  # a worker says every 5 s that it lives


@takes(Open.ANYBODY)
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process lives. Asks nobody else, so that a sick database restarts no web process."""
    return HttpResponse("ok\n", content_type="text/plain")


@takes(Open.ANYBODY)
@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when work can be taken, else 503; ``{"database": "ok", "broker": "away", …}``."""
    found = {part: check() for part, check in PARTS.items()}
    well = all(word in WELL for word in found.values())
    return JsonResponse(found, status=200 if well else 503)


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "away"
    return "ok"


def migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unknown"
    return "missing" if missing else "ok"


def worker() -> str:
    try:
        seen = Worker.objects.filter(seen_at__gt=clock.now() - SEEN_WITHIN)
        lately = list(seen.values_list("owner", flat=True))
    except DatabaseError:
        return "unknown"
    return "away" if all(owner.is_dead(name) for name in lately) else "ok"


# A part is a word: "ok", or what is wrong.
PARTS: dict[str, Callable[[], str]] = {
    "database": database,
    "migrations": migrations,
    "broker": broker.word,
    "worker": worker,
    "disk": disk.word,
}
# With these, work can be taken.
WELL = {"ok", "low"}
