"""The start page: what shall be updated, and what that would do."""

import secrets
from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from deploy_tasks import orders, preflight
from deploy_tasks.errors import InvalidInput, KeyReused, OrderRefused
from deploy_tasks.models import Game, Host, HostRun, Job
from webapp import access, again, reports
from webapp.access import Right, takes
from webapp.converters import number
from webapp.forms import JobForm
from webapp.versions import versions


@takes(Right.OPERATE)
def new(request: HttpRequest) -> HttpResponse:
    """``?game=`` chooses, ``?version=`` and ``?host=`` fill in, and ``?like=`` all that an earlier
    job was ordered with. A form that comes twice starts one job: it carries its key."""
    like = _like(request)
    games = access.games(request.user, Right.OPERATE).order_by("name")
    asked = request.POST.get("game") or request.GET.get("game") or (like and like.game.name)
    if not asked and len(games) != 1:
        return render(request, "start.html", {"games": games, "versions": versions(games)})
    game = get_object_or_404(access.visible_games(request.user), name=asked or games[0].name)
    access.require(request.user, Right.OPERATE, game)
    if like and like.game != game:
        like = None
    initial = _initial(request, game) | (again.asked(like) if like else {})
    form = JobForm(game, request.POST or None, like=like, initial=initial)
    key, refusal = form["key"].value(), ""
    if request.method == "POST":
        try:
            if job := _start(form, cast(User, request.user)):
                return redirect("job", job.pk)
        except InvalidInput as error:
            form.refuse(error)
        except OrderRefused as error:
            refusal = error.message
        except KeyReused as error:
            key, refusal = _new_key(), str(error)
    context = {"games": games, "game": game, "form": form, "key": key, "refusal": refusal}
    context["may_maintain"] = access.may(request.user, Right.MAINTAIN, game)
    return render(request, "start.html", context, status=409 if refusal else 200)


@takes(Right.OPERATE)
@require_POST
def plan(request: HttpRequest) -> JsonResponse:
    """What the form as it is filled in would do. 422: ``{errors: {field: [messages]}}``."""
    game = get_object_or_404(access.visible_games(request.user), name=request.POST.get("game", ""))
    access.require(request.user, Right.OPERATE, game)
    form = JobForm(game, request.POST, like=_like(request))
    try:
        if form.is_valid() and (order := form.order()):
            return JsonResponse(orders.plan_job(order, by=cast(User, request.user)).as_json())
    except InvalidInput as error:
        form.refuse(error)
    return JsonResponse({"errors": form.errors}, status=422)


@takes(Right.OPERATE)
@require_POST
def check(request: HttpRequest) -> JsonResponse:
    """Whether the hosts that the form chooses are fit; asks workers, and tells what is known by
    now. ``again`` asks anew. 422: ``{errors: {field: [messages]}}``."""
    game = get_object_or_404(access.visible_games(request.user), name=request.POST.get("game", ""))
    access.require(request.user, Right.OPERATE, game)
    form = JobForm(game, request.POST, like=_like(request))
    try:
        if form.is_valid() and (order := form.order()):
            found = preflight.check(order, again="again" in request.POST)
            return JsonResponse(reports.preflight(found))
    except InvalidInput as error:
        form.refuse(error)
    return JsonResponse({"errors": form.errors}, status=422)


@takes(Right.OPERATE)
def hosts(request: HttpRequest) -> JsonResponse:
    """The hosts to pick from: ``{hosts: [{name, address, labels, busy}]}``; ``busy`` is the number
    of a job."""
    game = get_object_or_404(access.visible_games(request.user), name=request.GET.get("game", ""))
    access.require(request.user, Right.OPERATE, game)
    there = Host.objects.filter(game=game).order_by("name")
    holding = HostRun.objects.filter(host__game=game, holds_host=True)
    jobs = dict(holding.values_list("host", "job"))
    told = [
        {"name": name, "address": address, "labels": labels, "busy": jobs.get(pk)}
        for pk, name, address, labels in there.values_list("pk", "name", "address", "labels")
    ]
    return JsonResponse({"hosts": told})


def _start(form: JobForm, by: User) -> Job | None:
    if not form.is_valid() or not (order := form.order()):
        return None
    return orders.start_job(order, by=by, key=form.cleaned_data["key"])[0]


def _like(request: HttpRequest) -> Job | None:
    """The earlier job that the order is to be like. One that takes another back is none."""
    asked = request.POST.get("like") or request.GET.get("like")
    if not asked:
        return None
    jobs = access.visible_jobs(request.user).filter(rolls_back=None)
    return get_object_or_404(jobs.select_related("game", "release"), pk=number(asked))


def _initial(request: HttpRequest, game: Game) -> dict[str, object]:
    newest = game.releases.order_by("-pk").first()
    hosts = request.GET.getlist("host")
    return {
        "key": _new_key(),
        "version": request.GET.get("version") or (newest and newest.version),
        "which": "names" if hosts else "all",
        "host": hosts,
        "names": " ".join(hosts),
        "rollout": "standard",
        "when": "now",
    }


def _new_key() -> str:
    return secrets.token_urlsafe(16)
