"""Who did what, when, from where: to look at, to filter, and to take along."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from deploy_tasks.models import AuditEntry
from deploy_tasks.times import iso
from webapp import access, logins
from webapp.access import Right, takes
from webapp.sending import sent

PAGE = 100
#: Rows held at a time by an export.
CHUNK = 1000
COLUMNS = (
    *("number", "at", "actor_name", "address", "action", "object"),
    *("game", "details", "previous", "hash"),
)
#: A filter and the column of which it is a part.
PARTS = {"who": "actor_name", "did": "action", "object": "object"}
#: A spreadsheet would take a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@takes(Right.SEE)
def audit(request: HttpRequest) -> HttpResponse:
    """Entries name hosts of every game, so it takes a role in all of them. ``?who=``, ``?did=``,
    ``?object=`` filter by a part of it, ``?game=`` by a game, ``?since=`` by a day (UTC),
    ``?kind=`` by ``logins`` or all the ``rest``, and ``?q=`` by a part of any."""
    access.require(request.user, Right.SEE, None)
    given = _given(request)
    page = Paginator(_entries(given), PAGE).get_page(request.GET.get("page"))
    games = access.visible_games(request.user).order_by("name")
    query = request.GET.copy()
    query.pop("page", None)
    context = {"page": page, "given": given, "games": games, "query": query.urlencode()}
    return render(request, "audit.html", context)


@takes(Right.SEE)
def export(request: HttpRequest, form: str) -> StreamingHttpResponse:
    """What the same filters leave, oldest first, as ``csv`` or as lines of JSON (``jsonl``)."""
    access.require(request.user, Right.SEE, None)
    writers = {"csv": (_csv, "text/csv"), "jsonl": (_jsonl, "application/x-ndjson")}
    if form not in writers:
        raise Http404
    write, kind = writers[form]
    pieces = write(_pages(_entries(_given(request))))
    answer = StreamingHttpResponse(sent(pieces), content_type=f"{kind}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="audit.{form}"'
    return answer


def _given(request: HttpRequest) -> dict[str, str]:
    names = (*PARTS, "game", "since", "kind", "q")
    given = {name: request.GET.get(name, "").replace("\0", "").strip() for name in names}
    try:
        given["since"] and date.fromisoformat(given["since"])
    except ValueError:
        given["since"] = ""
    return given


def _entries(given: dict[str, str]) -> QuerySet[AuditEntry]:
    """Newest first."""
    found = AuditEntry.objects.order_by("-number")
    for name, column in PARTS.items():
        if given[name]:
            found = found.filter(**{f"{column}__icontains": given[name]})
    if given["game"]:
        found = found.filter(game=given["game"])
    if given["since"]:
        day = datetime.combine(date.fromisoformat(given["since"]), datetime.min.time(), UTC)
        found = found.filter(at__gte=day)
    match given["kind"]:
        case "logins":
            found = found.filter(action__in=logins.ACTIONS)
        case "rest":
            found = found.exclude(action__in=logins.ACTIONS)
    if q := given["q"]:
        found = found.filter(
            Q(actor_name__icontains=q) | Q(action__icontains=q) | Q(object__icontains=q)
        )
    return found


def _pages(found: QuerySet[AuditEntry]) -> Iterator[list[dict[str, Any]]]:
    """A chunk at a time: the reader may be slow, and no cursor waits for it."""
    rows = found.order_by("number").values(*COLUMNS)
    last = 0
    while page := list(rows.filter(number__gt=last)[:CHUNK]):
        yield [row | {"at": iso(row["at"])} for row in page]
        last = page[-1]["number"]


def _jsonl(pages: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    for page in pages:
        yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in page).encode()


def _csv(pages: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    yield _lines([COLUMNS])
    for page in pages:
        yield _lines([_cell(row[name]) for name in COLUMNS] for row in page)


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    csv.writer(text := io.StringIO()).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
