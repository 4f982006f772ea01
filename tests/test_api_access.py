"""Every call that the API has: who is refused, and how. A new call fails here until it is told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from deploy_tasks import bells, vault
from deploy_tasks.models import AuditEntry, Game, Job, Pager
from deploy_tasks.states import HostRunState
from tests import factories
from tests.api import ROOT, Caller, caller, error
from webapp.access import GIVEN_BY, Right
from webapp.api import api
from webapp.models import Role

pytestmark = pytest.mark.django_db

ORDER = {"game": "squid", "version": "2.0", "hosts": ["free"]}
HOST = {
    "name": "eu-9",
    "game": "squid",
    "address": "127.1.0.9",
    "user": "game",
    "credential": "fleet",
}
PAGER = {"name": "ops", "url": "discord://id/token", "game": "squid"}
ANSWER = {"answer": "give_up", "note": "I looked"}


@dataclass(frozen=True)
class Call:
    """A good call, and what it takes. ``hidden``: the status where its game is not visible."""

    right: Right
    body: Any = None
    hidden: int = 404
    form: dict[str, Any] = field(default_factory=dict)
    query: str = ""


SEE, OPERATE, MAINTAIN, ADMINISTER = Right
CALLS: dict[tuple[str, str], Call] = {
    ("get", "/jobs"): Call(SEE, hidden=200),
    ("post", "/jobs"): Call(OPERATE, ORDER, hidden=422),
    ("post", "/jobs/plan"): Call(OPERATE, ORDER, hidden=422),
    ("post", "/jobs/preflight"): Call(OPERATE, ORDER, hidden=422),
    ("get", "/jobs/{job_id}"): Call(SEE),
    ("get", "/jobs/{job_id}/hosts"): Call(SEE),
    ("get", "/jobs/{job_id}/failures"): Call(SEE),
    ("get", "/jobs/{job_id}/pace"): Call(SEE),
    ("get", "/jobs/{job_id}/events"): Call(SEE),
    ("get", "/jobs/{job_id}/hosts/{name}/log"): Call(SEE),
    ("get", "/jobs/{job_id}/hosts/{name}/lines"): Call(SEE),
    ("get", "/jobs/{job_id}/story"): Call(SEE),
    ("get", "/jobs/{job_id}/events.jsonl"): Call(SEE),
    ("get", "/jobs/{job_id}/bundle.zip"): Call(SEE),
    ("get", "/jobs/{job_id}/hosts/{name}/variables"): Call(SEE),
    ("get", "/jobs/{job_id}/search"): Call(SEE, query="?text=x"),
    ("post", "/jobs/{job_id}/retry"): Call(OPERATE),
    ("post", "/jobs/{job_id}/cancel"): Call(OPERATE),
    ("post", "/jobs/{job_id}/check"): Call(OPERATE),
    ("post", "/jobs/{job_id}/pause"): Call(OPERATE),
    ("post", "/jobs/{job_id}/resume"): Call(OPERATE),
    ("post", "/jobs/{job_id}/skip"): Call(OPERATE, {"rest": True}),
    ("post", "/jobs/{job_id}/exclude"): Call(OPERATE, {"hosts": ["{name}"]}),
    ("post", "/jobs/{job_id}/change"): Call(OPERATE, {"parallel": 3}),
    ("post", "/jobs/{job_id}/promote"): Call(OPERATE),
    ("post", "/jobs/{job_id}/switch"): Call(OPERATE),
    ("post", "/jobs/{job_id}/rollback"): Call(OPERATE),
    ("post", "/jobs/{job_id}/hosts/{name}/answer"): Call(OPERATE, ANSWER),
    ("post", "/jobs/{job_id}/answer"): Call(OPERATE, ANSWER | {"hosts": ["{name}"]}),
    ("get", "/jobs/{job_id}/hosts/{name}/attempts"): Call(SEE),
    ("get", "/jobs/{job_id}/hosts/{name}/output"): Call(SEE),
    ("get", "/hosts"): Call(SEE, hidden=200),
    ("post", "/hosts"): Call(MAINTAIN, HOST, hidden=422),
    ("get", "/hosts/{name}"): Call(SEE),
    ("patch", "/hosts/{name}"): Call(MAINTAIN, {"address": "127.1.0.8"}),
    ("delete", "/hosts/{name}"): Call(MAINTAIN),
    ("post", "/hosts/{name}/test"): Call(OPERATE),
    ("post", "/hosts/approve-keys"): Call(MAINTAIN, {"known_hosts": ""}, hidden=200),
    ("post", "/hosts/{name}/approve-key"): Call(MAINTAIN, {"fingerprint": "SHA256:x"}),
    ("get", "/pagers"): Call(SEE, hidden=200),
    ("post", "/pagers"): Call(MAINTAIN, PAGER, hidden=422),
    ("delete", "/pagers/{name}"): Call(MAINTAIN),
    ("post", "/pagers/{name}/test"): Call(OPERATE),
    ("get", "/calls"): Call(SEE, hidden=200),
    ("get", "/games"): Call(SEE, hidden=200),
    ("post", "/games"): Call(ADMINISTER, {"name": "chess", "recipe": "symlink-release"}, 403),
    ("get", "/releases"): Call(SEE, hidden=200),
    ("post", "/releases"): Call(MAINTAIN, hidden=422, form={"game": "squid", "version": "3.0"}),
}
ROLE_WITH = {right: role for role, right in GIVEN_BY.items()}


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(bells, "ring_looks", lambda host_ids: None)
    monkeypatch.setattr(bells, "ring_calls", lambda call_ids: None)
    monkeypatch.setattr(vault, "seal", lambda secret, *, identity: ("none", b""))
    monkeypatch.setattr(settings, "ARTIFACTS", tmp_path)


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    factories.host(game, "free")
    Pager.objects.create(name="free", kind="service", game=game, sealed=b"", shown="x://…")
    return game


@pytest.fixture
def job(squid: Game) -> Job:
    """Every order can be given to it: one host failed, one is unknown."""
    job = factories.job(squid, hosts=2, state="halted")
    failed, unknown = job.host_runs.order_by("position")
    job.host_runs.filter(pk=failed.pk).update(state=HostRunState.FAILED, holds_host=False)
    job.host_runs.filter(pk=unknown.pk).update(state=HostRunState.UNKNOWN)
    return job


def give(who: Caller, method: str, path: str, call: Call, job: Job) -> HttpResponse:
    of_a_job = path.startswith("/jobs")
    name = job.host_runs.get(state="unknown").name if of_a_job else "free"
    path = path.format(job_id=job.pk, name=name) + call.query
    if call.form:
        artifact = SimpleUploadedFile("a.tar.gz", b"bits")
        return who.client.post(ROOT + path, call.form | {"artifact": artifact})
    return who.send(method, path, json.loads(json.dumps(call.body).replace("{name}", name)))


def every_call() -> Callable[[Any], Any]:
    return pytest.mark.parametrize(
        ("method", "path", "call"),
        [pytest.param(*key, call, id=" ".join(key)) for key, call in CALLS.items()],
    )


def test_every_call_of_the_api_is_told_here() -> None:
    paths = api.get_openapi_schema(path_prefix="")["paths"]
    there = {(method, path) for path, methods in paths.items() for method in methods}
    assert there == set(CALLS)


@every_call()
def test_nobody_may_call_anything(method: str, path: str, call: Call, job: Job) -> None:
    answer = give(Caller(None), method, path, call, job)
    assert (answer.status_code, error(answer)["code"]) == (401, "not_logged_in")


@every_call()
def test_who_has_no_role_in_the_game_does_not_learn_that_it_is_there(
    method: str, path: str, call: Call, job: Job
) -> None:
    stranger = caller("stranger", Role.ADMINISTRATOR, factories.game("paper"))
    answer = give(stranger, method, path, call, job)
    assert answer.status_code == call.hidden
    if answer.status_code == 200:
        assert b"squid" not in answer.content


@every_call()
def test_who_has_too_small_a_role_is_refused_and_nothing_happens(
    method: str, path: str, call: Call, job: Job, squid: Game
) -> None:
    too_small = [role for role, right in GIVEN_BY.items() if right < call.right]
    for number, role in enumerate(too_small):
        answer = give(caller(f"u{number}", role), method, path, call, job)
        assert (answer.status_code, error(answer)["code"]) == (403, "not_allowed")
    assert not AuditEntry.objects.exists()
    assert Job.objects.count() == 1


@every_call()
def test_the_role_that_it_takes_is_enough(
    method: str, path: str, call: Call, job: Job, squid: Game
) -> None:
    answer = give(caller("mira", ROLE_WITH[call.right]), method, path, call, job)
    assert answer.status_code in (200, 201, 202, 204, 409), answer.content


@every_call()
def test_what_changes_something_is_never_asked_by_get(
    method: str, path: str, call: Call, job: Job
) -> None:
    if method == "get" or ("get", path) in CALLS:
        return
    superuser = Caller(factories.user("root", is_superuser=True))
    # Some of these paths are, for GET, those of a thing that is not there.
    assert give(superuser, "get", path, call, job).status_code in (404, 405)


def test_a_path_that_is_not_there_is_refused_in_the_same_shape() -> None:
    answer = Caller(factories.user("mira")).get("/nothing")
    assert (answer.status_code, error(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_description_of_the_api_is_open(path: str) -> None:
    assert Client().get(ROOT + path).status_code == 200


def test_the_page_of_the_description_takes_nothing_from_elsewhere() -> None:
    page = Client().get(f"{ROOT}/docs").content.decode()
    assert "http://" not in page
    assert "https://" not in page
    assert "<style" not in page
