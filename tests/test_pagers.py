"""Pagers: who may add and see them, that an address is never given back, and what pages say."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.test import Client
from pytest_django import Settings

from deploy_tasks import bells, clock, vault
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import AuditEntry, Call, Game, Job, Moment, Pager
from tests import factories
from tests.api import caller, error
from tests.stories import person
from webapp.calls import pagers
from webapp.models import Role

pytestmark = pytest.mark.django_db

URL = "https://hooks.example/services/T0PSECRET"
SECRET = "correct horse battery"
PAGER = {"name": "ops", "url": URL, "secret": SECRET}


@pytest.fixture(autouse=True)
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()
    monkeypatch.setattr(bells, "ring_calls", lambda ids: None)


def browser(**given: Any) -> Client:
    client = Client()
    client.force_login(person("anna", **given))
    return client


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


FORM = {
    **PAGER,
    "whose": "all",
    "language": "en",
    "moments": ["halted", "unknown"],
}


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        (URL, "webhook", "https://hooks.example/…"),
        ("https://h.example:8443/a?b=c", "webhook", "https://h.example:8443/…"),
        ("discord://id/token", "service", "discord://…"),
        ("mailtos://me:pass@mail.example", "service", "mailtos://…"),
    ],
)
def test_of_an_address_only_what_is_no_secret_is_shown(url: str, kind: str, shown: str) -> None:
    assert pagers.read(url) == (kind, shown)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "http://hooks.example/x",
        "https://",
        "https://user:pass@hooks.example/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX: 1",
        "https://[::1",
        "syslog://",
        "dbus://",
        "file:///etc/passwd",
        "https://" + "x" * 2000,
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    if url.startswith("file:"):
        # Nobody knows such a service: the test says so, and the guard keeps it from the file.
        assert pagers.read(url)[0] == "service"
        return
    with pytest.raises(InvalidInput):
        pagers.read(url)


def test_settings_say_which_addresses_are_allowed(settings: Settings) -> None:
    settings.CALL_SCHEMES = ["http", "feishu"]
    assert pagers.read("http://hooks.example/")[0] == "webhook"
    assert pagers.read("feishu://token")[0] == "service"
    with pytest.raises(InvalidInput, match="allowed: http, feishu"):
        pagers.read(URL)


def test_the_api_takes_an_address_and_never_gives_it_back(squid: Game) -> None:
    boss = caller("boss", Role.ADMINISTRATOR)
    made = boss.post("/pagers", PAGER)
    assert made.status_code == 201
    assert made.json() == {
        "name": "ops",
        "kind": "webhook",
        "shown": "https://hooks.example/…",
        "game": None,
        "mine": False,
        "moments": ["halted", "waits", "unknown", "failed", "cancelled", "succeeded", "disk"],
        "language": "en",
        "last": None,
    }
    row = serializers.serialize("json", Pager.objects.all())
    audit = serializers.serialize("json", AuditEntry.objects.all())
    for told in (row, audit, boss.get("/pagers").content.decode()):
        assert "T0PSECRET" not in told
        assert SECRET not in told
    assert pagers.open_address(Pager.objects.get()) == (URL, SECRET)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "ftp//x"}, "url"),
        ({"secret": "short"}, "secret"),
        ({"moments": ["noon"]}, "moments"),
        ({"moments": []}, "moments"),
        ({"language": "tlh"}, "language"),
        ({"game": "nothing"}, "game"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(change: dict[str, Any], field: str) -> None:
    answer = caller("boss", Role.ADMINISTRATOR).post("/pagers", PAGER | change)
    assert (answer.status_code, error(answer)["field"]) == (422, field)


def test_a_name_is_given_once() -> None:
    boss = caller("boss", Role.ADMINISTRATOR)
    boss.post("/pagers", PAGER)
    assert boss.post("/pagers", PAGER).status_code == 409


def test_a_viewer_may_have_a_pager_of_their_own_and_nobody_else_sees_it(squid: Game) -> None:
    mira = caller("mira", Role.VIEWER, squid)
    assert mira.post("/pagers", PAGER | {"game": "squid"}).status_code == 403
    assert mira.post("/pagers", PAGER | {"game": "squid", "mine": True}).status_code == 201
    boss = caller("boss", Role.ADMINISTRATOR)
    assert boss.get("/pagers").json() == {"pagers": []}
    assert boss.send("delete", "/pagers/ops").status_code == 404
    assert mira.send("delete", "/pagers/ops").status_code == 204
    assert not Pager.objects.exists()


def test_a_test_is_a_call_that_is_due_now() -> None:
    boss = caller("boss", Role.ADMINISTRATOR)
    boss.post("/pagers", PAGER)
    answer = boss.post("/pagers/ops/test")
    assert (answer.status_code, answer.json()["last"]["moment"]) == (202, "test")
    assert [call["pager"] for call in boss.get("/calls").json()["calls"]] == ["ops"]


def test_the_page_adds_tests_and_removes(squid: Game) -> None:
    anna = browser(role=Role.ADMINISTRATOR)
    assert anna.post("/calls/", FORM).status_code == 302
    page = anna.get("/calls/")
    assert "https://hooks.example/…" in text(page)
    assert "T0PSECRET" not in page.content.decode()
    anna.post("/calls/ops/test")
    assert Call.objects.get().moment == Moment.TEST
    anna.post("/calls/ops/remove")
    assert not Pager.objects.exists()


def test_the_page_says_what_is_wrong_and_gives_no_secret_back() -> None:
    page = browser(role=Role.ADMINISTRATOR).post("/calls/", FORM | {"secret": "T0PSECRET"})
    assert "give a secret of at least 16" in text(page)
    assert "T0PSECRET" not in page.content.decode()


def test_a_viewer_can_choose_no_game_but_only_themselves(squid: Game) -> None:
    anna = browser(game=squid, role=Role.VIEWER)
    assert "Select a valid choice" in text(anna.post("/calls/", FORM))
    assert "Select a valid choice" in text(anna.post("/calls/", FORM | {"whose": "game:squid"}))
    assert anna.post("/calls/", FORM | {"whose": "mine"}).status_code == 302
    assert Pager.objects.get().user.username == "anna"  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/calls/ops/test", "/calls/ops/remove"])
def test_a_viewer_neither_tests_nor_removes_what_is_everybodys(squid: Game, path: str) -> None:
    caller("boss", Role.ADMINISTRATOR).post("/pagers", PAGER | {"game": "squid"})
    anna = browser(game=squid, role=Role.VIEWER)
    assert anna.post(path).status_code == 403
    assert anna.get(path).status_code == 405
    assert Pager.objects.exists()


def test_what_could_not_be_delivered_is_on_the_dashboard_and_the_job(squid: Game) -> None:
    job: Job = factories.job(squid, state="halted")
    anna = browser(role=Role.ADMINISTRATOR)
    anna.post("/calls/", FORM)
    now = clock.now()
    Call.objects.create(
        pager=Pager.objects.get(),
        job=job,
        moment="halted",
        at=now,
        due_at=now,
        state="failed",
        error="the receiver answered 500",
    )
    told = "A night call to ops was not delivered: the receiver answered 500"
    assert told in text(anna.get("/"))
    assert "not delivered: the receiver answered 500" in text(anna.get(f"/jobs/{job.pk}/"))
    Call.objects.update(state="told", error="")
    assert told not in text(anna.get("/"))


def test_a_maintainer_keeps_the_pagers_of_the_game_and_of_no_other(squid: Game) -> None:
    chess = factories.game("chess")
    anna = browser(game=squid, role=Role.MAINTAINER)
    assert 'href="/calls/"' in anna.get("/admin/").content.decode()
    assert anna.post("/calls/", FORM | {"whose": "game:squid"}).status_code == 302
    assert Pager.objects.get().game == squid
    for other in ("game:chess", "all"):
        refused = anna.post("/calls/", FORM | {"name": "more", "whose": other})
        assert "Select a valid choice" in text(refused)
    assert anna.post("/calls/ops/remove").status_code == 302
    assert not Pager.objects.exists()
    caller("boss", Role.ADMINISTRATOR).post("/pagers", PAGER | {"game": chess.name})
    assert anna.post("/calls/ops/remove").status_code == 404


def test_the_page_tells_how_a_test_went_and_asks_again_until_then() -> None:
    anna = browser(role=Role.ADMINISTRATOR)
    anna.post("/calls/", FORM)
    anna.post("/calls/ops/test")
    assert "data-pending" in anna.get("/calls/").content.decode()
    Call.objects.update(state="failed", error="no answer within 10 s", tries=1)
    page = anna.get("/calls/")
    assert "data-pending" not in page.content.decode()
    assert text(page).count("not delivered: no answer within 10 s") == 2, "by pager and by call"
