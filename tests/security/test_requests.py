"""What a request may claim: where it comes from, where to go next, what a file is called."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from deploy_tasks import vault
from deploy_tasks.models import Release
from tests import factories
from tests.api import Caller
from tests.stories import person
from webapp.models import Role

pytestmark = pytest.mark.django_db

EVIL = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " https://evil.example",
    "https:evil.example\r\nSet-Cookie: a=b",
]


@pytest.fixture
def anna() -> User:
    return person("anna", role=Role.ADMINISTRATOR)


@pytest.mark.parametrize("to", EVIL)
def test_nobody_is_sent_to_another_site(anna: User, to: str) -> None:
    form = {"username": "anna", "password": "correct horse", "next": to}
    ways: list[tuple[str, dict[str, str]]] = [
        ("/login", form),
        ("/language", {"language": "en", "next": to}),
        ("/logout", {"next": to}),
        ("/admin/logout/", {"next": to}),
    ]
    for path, given in ways:
        answer = Client().post(path, given)
        assert "evil" not in answer.get("Location", ""), path
        assert answer.get("Location", "/").startswith("/"), path
    client = Client()
    client.force_login(anna)
    assert "evil" not in client.get("/admin/login/", {"next": to}).get("Location", "")
    asked = Client().get("/admin/login/", {"next": to})
    assert asked["Location"].startswith("/login?next=")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:8001", "https://127.0.0.1:8000"]
)
@pytest.mark.parametrize("path", ["/account/", "/jobs/new", "/logout", "/admin/auth/group/add/"])
def test_s15_a_form_of_another_site_is_refused_though_it_has_a_token(
    anna: User, origin: str, path: str
) -> None:
    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", SERVER_PORT="8000")
    client.force_login(anna)
    client.get("/account/")
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    answer = client.post(path, {"csrfmiddlewaretoken": token}, headers={"Origin": origin})
    assert answer.status_code == 403


@pytest.mark.parametrize("body", ["application/json", "text/plain", "multipart/form-data"])
def test_s15_the_api_takes_no_order_by_a_cookie_alone(anna: User, body: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(anna)
    answer = client.generic("POST", "/api/v1/jobs", b"{}", content_type=body)
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1@evil.example", "127.0.0.1:x", "a b"])
def test_s10_a_host_that_is_not_ours_is_not_answered(host: str) -> None:
    for path in ("/login", "/", "/api/v1/jobs", "/healthz"):
        assert Client().get(path, headers={"Host": host}).status_code == 400, path


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL"])
def test_s10_no_header_says_where_we_are_or_what_is_asked_for(name: str) -> None:
    answer = Client().get("/", headers={name: "evil.example"})
    assert answer["Location"] == "/login?next=/"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "x" * 40])
def test_what_is_no_method_of_ours_changes_nothing(anna: User, method: str) -> None:
    client = Client()
    client.force_login(anna)
    for path in ("/account/", "/jobs/new", "/api/v1/jobs", "/admin/auth/group/add/"):
        answer = client.generic(method, path)
        assert answer.status_code in (200, 400, 405), path
        assert b"sessionid" not in answer.content


def test_a_session_that_was_given_to_somebody_is_not_theirs_after_the_log_in(anna: User) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    form = {"username": "anna", "password": "correct horse"}
    client.post("/login", form)
    assert client.session.session_key != "a" * 32
    # And what was the key before a second log-in is none any more.
    first = client.session.session_key
    client.post("/login", form)
    assert client.session.session_key != first
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = str(first)
    assert thief.get("/").status_code == 302


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/cron.d/x", "/etc/passwd", "..", "-rf", "a\nb", 'a"; filename="b', "CON"),
        *("x" * 300, "\u202egnp.exe", "<img src=x onerror=alert(1)>", "%00", "; rm -rf ~", "$(id)"),
    ],
)
def test_a_hostile_name_of_an_artifact_is_a_name_and_no_path(
    anna: User, settings: Settings, tmp_path: Any, name: str
) -> None:
    settings.HOME, settings.ARTIFACTS = tmp_path, tmp_path / "artifacts"
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()
    factories.game("squid")
    parts = [("game", "squid"), ("version", "1.0"), (f'artifact"; filename="{name}', "a game")]
    body = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{part}"\r\n\r\n{text}\r\n'
        for part, text in parts
    )
    kind = "multipart/form-data; boundary=b"
    answer = Caller(anna).client.generic("POST", "/api/v1/releases", f"{body}--b--\r\n", kind)
    assert answer.status_code in (201, 400, 422), answer.content
    stored = {path.name for path in settings.ARTIFACTS.rglob("*") if path.is_file()}
    assert all(len(one) == 64 for one in stored)
    assert not [path for path in tmp_path.rglob("*") if "cron" in path.name]
    for release in Release.objects.filter(game__name="squid", version="1.0"):
        assert "/" not in release.filename
        assert release.filename.isprintable()


@pytest.mark.parametrize("path", ["/hosts/?q=%00", "/jobs/?game=a%00", "/jobs/?%00=a"])
def test_a_character_that_no_database_takes_reaches_none(anna: User, path: str) -> None:
    client = Client()
    client.force_login(anna)
    assert client.get(path).status_code == 400
    assert client.post("/jobs/new", {"game": "squid\0"}).status_code == 400


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_has_no_year_for_is_refused_by_its_field(anna: User, at: str) -> None:
    order = {"game": "squid", "version": "2.0", "all": True, "start_at": at}
    answer = Caller(anna).post("/jobs/plan", order)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "start_at")
    assert Caller(anna).get("/calls", job=10**30).json() == {"calls": []}


def test_a_form_names_no_release_that_no_database_takes(anna: User) -> None:
    for form in ({"game": "squid\0", "version": "1"}, {"game": "squid", "version": "1\0"}):
        answer = Caller(anna).client.post("/api/v1/releases", form)
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] in form
