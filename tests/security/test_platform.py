"""What the product is made of and how it speaks: headers, queries, messages, versions."""

import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads

from celery_app import app
from deploy_tasks import tasks
from deploy_tasks.models import Job
from tests import factories
from tests.stories import person
from webapp import admin, live
from webapp.env import BASE
from webapp.models import Role

PAGES = ["/", "/jobs/", "/hosts/", "/games/", "/audit/", "/calls/", "/account/", "/jobs/new"]
#: The oldest of each in which what was found in it is mended.
AT_LEAST = {
    "Django": "5.2.8",
    "channels": "4.2.2",
    "daphne": "4.2.2",
    "celery": "5.2.2",
    "redis": "4.5.4",
    "paramiko": "5.0",
    "asyncssh": "2.14.2",
    "PyYAML": "5.4",
    "django-ninja": "1.0",
    "httpx": "0.23",
    "websockets": "10.0",
    "Twisted": "24.7.0",
    "PyNaCl": "1.6.2",
    "cryptography": "44.0.1",
    "requests": "2.32.4",
    "django-allauth": "65.3.0",
    "PyJWT": "2.10.1",
}


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/login", *PAGES, "/admin/", "/admin/deploy_tasks/host/"])
def test_s28_every_page_forbids_what_it_does_not_bring(page: str) -> None:
    client = Client()
    client.force_login(person("anna", role=Role.ADMINISTRATOR))
    answer = client.get(page, follow=True)
    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    text = answer.content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", text) == []
    assert re.findall(r"\son\w+=\"|\sstyle=\"|<style", text) == []


@pytest.mark.django_db
@pytest.mark.parametrize("page", [*PAGES, "/admin/", "/api/v1/jobs", "/audit/export.csv", "/nope"])
def test_what_somebody_is_shown_who_has_logged_in_is_kept_by_nobody(page: str) -> None:
    client = Client()
    client.force_login(person("anna", role=Role.ADMINISTRATOR))
    kept = client.get(page)["Cache-Control"]
    assert "private" in kept
    assert "no-store" in kept
    assert "private" in client.get(page, headers={live.HEADER: "1"})["Cache-Control"]


def test_s28_nothing_that_somebody_wrote_is_ever_markup() -> None:
    for template in (BASE / "templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape off", template.read_text()), template
    for script in (BASE / "webapp" / "static" / "js").rglob("*.js"):
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script.read_text()
        )
        assert not found, script


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["_connector=OR&_negated=1", "password__startswith=p", "pk=x"])
def test_s17_a_query_asks_for_nothing_but_what_a_page_offers(query: str) -> None:
    factories.job(factories.game("squid"), hosts=1)
    client = Client()
    client.force_login(person("anna", role=Role.ADMINISTRATOR))
    for page in PAGES:
        assert client.get(f"{page}?{query}").status_code in (200, 400), page
    for model in admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/?{query}"
        # Django says no by going to the list with an error, or with 400.
        answer = client.get(path)
        assert answer.status_code in (200, 302, 400), path
        if "password" in query:
            assert answer.status_code != 200, path


@pytest.mark.parametrize("kind", ["pickle", "yaml"])
def test_s24_a_message_that_is_not_json_is_not_read(kind: str) -> None:
    accepted = app.conf.accept_content
    assert set(accepted) == {"json"}
    assert app.conf.task_serializer == "json"
    assert app.conf.result_backend is None
    kinds = {"pickle": "application/x-python-serialize", "yaml": "application/x-yaml"}
    with pytest.raises(ContentDisallowed):
        loads(b"payload", kinds[kind], "binary", accept={"application/json"})
    assert dumps([1], serializer="json")[0] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize("forged", [0, -1, 10**9])
def test_s45_a_forged_message_about_what_is_not_there_does_nothing(forged: int) -> None:
    job = factories.job(factories.game("squid"), hosts=1)
    before = list(Job.objects.values())
    tasks.conduct.apply(args=[forged]).get()
    assert list(Job.objects.values()) == before
    assert job.host_runs.get().state == "waiting"


@pytest.mark.parametrize(("package", "oldest"), AT_LEAST.items())
def test_s46_nothing_is_older_than_what_was_mended(package: str, oldest: str) -> None:
    assert _parts(version(package)) >= _parts(oldest)


def test_s46_every_dependency_is_pinned() -> None:
    for file in BASE.glob("requirements*.txt"):
        for line in file.read_text().splitlines():
            named = line.split("#")[0].strip()
            assert not named or named.startswith("-r") or "==" in named, f"{file.name}: {line}"


def test_s37_no_key_and_no_password_is_in_what_we_ship() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=BASE, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    shipped = [Path(name) for name in tracked if name and not name.startswith("tests/")]
    shipped = [name for name in shipped if (BASE / name).is_file()]
    if not shipped:
        pytest.skip("not a clone")
    for name in shipped:
        content = (BASE / name).read_bytes()
        assert b"PRIVATE KEY-----\n" not in content, name
        assert not re.search(rb"SECRET_KEY\s*=\s*[\"']", content), name


def _parts(text: str) -> list[Any]:
    return [int(part) for part in re.findall(r"\d+", text)[:3]]
