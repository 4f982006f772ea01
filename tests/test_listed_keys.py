"""Approving host keys from a list in the browser: shown first, done by a second press."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from deploy_tasks import ssh
from deploy_tasks.models import AuditEntry, Game, Host, KeyRule
from tests import factories
from tests.ssh_keys import host_key
from tests.stories import person
from tests.test_host_keys import host, pinned
from webapp.models import Role

pytestmark = pytest.mark.django_db

URL = "/admin/host-keys/"
ONE, TWO, THREE = (host_key(number) for number in (1, 2, 3))


@pytest.fixture
def client(squid: Game) -> Client:
    return logged_in(squid, Role.MAINTAINER)


def logged_in(game: Game, role: Role) -> Client:
    client = Client()
    client.force_login(person("anna", game=game, role=role))
    return client


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def confirm(client: Client, asked: Any, **more: Any) -> Any:
    """The second press, with what the page before it holds."""
    form = asked.context["form"]
    held = {name: form[name].value() for name in ("known_hosts", "confirmed")}
    return client.post(URL, {**held, **more}, follow=True)


def test_nothing_is_approved_before_the_second_press(client: Client, squid: Game) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    asked = client.post(URL, {"known_hosts": f"10.0.0.1 {ONE}\n"})
    assert ssh.fingerprint(ONE) in text(asked)
    assert pinned(one) == []
    assert "The keys of 1 host were changed." in text(confirm(client, asked))
    assert pinned(one) == [ONE]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name) == ("approve_listed_keys", "anna")


def test_both_fingerprints_of_a_host_that_differs_stand_side_by_side(
    client: Client, squid: Game
) -> None:
    one = host(squid, "a-1", "10.0.0.1", pinned=ONE)
    asked = client.post(URL, {"known_hosts": f"10.0.0.1 {TWO}\n"})
    said = text(asked)
    assert "another key is pinned: stays as it is" in said
    assert said.index(ssh.fingerprint(ONE)) < said.index(ssh.fingerprint(TWO))
    assert "It would change nothing" in said
    again = client.post(URL, {"known_hosts": f"10.0.0.1 {TWO}\n", "replace": "on"})
    assert pinned(one) == [ONE]
    confirm(client, again, replace="on")
    assert pinned(one) == [TWO]


def test_what_would_change_other_things_by_now_is_shown_again(client: Client, squid: Game) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    asked = client.post(URL, {"known_hosts": f"10.0.0.* {ONE}\n"})
    two = host(squid, "a-2", "10.0.0.2")
    again = confirm(client, asked)
    assert "It would change other things by now" in text(again)
    assert pinned(one) == pinned(two) == []
    confirm(client, again)
    assert pinned(one) == pinned(two) == [ONE]


def test_another_list_than_the_one_that_was_shown_is_shown_first(
    client: Client, squid: Game
) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    asked = client.post(URL, {"known_hosts": f"10.0.0.1 {ONE}\n"})
    confirm(client, asked, known_hosts=f"10.0.0.1 {TWO}\n")
    assert pinned(one) == []


def test_hosts_that_the_list_does_not_know_are_named(client: Client, squid: Game) -> None:
    host(squid, "a-1", "10.0.0.1")
    host(squid, "a-2", "10.0.0.2", pinned=TWO)
    asked = client.post(URL, {"known_hosts": f"10.0.0.2 {TWO}\n10.0.0.9 ssh-dss AAAA\n"})
    assert "1 host is not in the list: a-1" in text(asked)
    assert "1 host has its key pinned already." in text(asked)
    assert "not supported: 2" in text(asked)


def test_a_host_ca_is_shown_kept_and_can_be_taken_away(client: Client, squid: Game) -> None:
    host(squid, "a-1", "10.0.0.1")
    asked = client.post(URL, {"known_hosts": f"@cert-authority 10.* {ONE}\n"})
    assert "is known when it shows a good certificate" in text(asked)
    assert not KeyRule.objects.exists()
    assert "1 rule was added." in text(confirm(client, asked))
    rule = KeyRule.objects.get()
    rules = "/admin/deploy_tasks/keyrule/"
    assert ssh.fingerprint(ONE) in text(client.get(rules))
    client.post(f"{rules}{rule.pk}/delete/", {"post": "yes"})
    assert not KeyRule.objects.exists()
    entry = AuditEntry.objects.order_by("-number")[0]
    assert (entry.action, entry.game) == ("remove_keyrule", "squid")


def test_a_host_that_an_authority_is_about_says_so(client: Client, squid: Game) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    assert "Until then no job may run on it" in text(client.get(f"/hosts/{one.name}/"))
    confirm(client, client.post(URL, {"known_hosts": f"@cert-authority 10.* {ONE}\n"}))
    said = text(client.get(f"/hosts/{one.name}/"))
    assert "It is pinned when the host shows a good certificate of a host CA." in said
    assert ssh.fingerprint(ONE) in said


def test_rules_of_other_games_are_neither_seen_nor_taken_away(client: Client) -> None:
    paper = factories.game("paper")
    rule = KeyRule.objects.create(
        game=paper, kind="authority", names="*", key=ONE, fingerprint=ssh.fingerprint(ONE)
    )
    rules = "/admin/deploy_tasks/keyrule/"
    assert ssh.fingerprint(ONE) not in text(client.get(rules))
    client.post(f"{rules}{rule.pk}/delete/", {"post": "yes"})
    assert KeyRule.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("10.0.0.1 ssh-ed25519 x\nhello\n", "line 1: not a public key"),
        ("# a comment\nhello\n", "line 2: not a line of a known_hosts file"),
        ("  \n", "Give a list"),
        ("x" * 2_000_001, "Too long for a page"),
    ],
)
def test_what_is_no_list_is_refused_by_line(
    client: Client, squid: Game, given: str, said: str
) -> None:
    answer = client.post(URL, {"known_hosts": given})
    assert (answer.status_code, said in text(answer)) == (422, True)


def test_a_file_does_as_well(client: Client, squid: Game) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    file = SimpleUploadedFile("known_hosts", f"10.0.0.1 {ONE}\n".encode())
    confirm(client, client.post(URL, {"file": file}))
    assert pinned(one) == [ONE]
    answer = client.post(URL, {"file": SimpleUploadedFile("x", b"\xff\xfe")})
    assert "this is not text" in text(answer)


def test_hosts_of_other_games_are_left_alone(client: Client, squid: Game) -> None:
    theirs = host(factories.game("paper"), "b-1", "10.0.0.1")
    asked = client.post(URL, {"known_hosts": f"10.0.0.1 {ONE}\n"})
    assert "b-1" not in text(asked)
    game = {"known_hosts": f"10.0.0.1 {ONE}\n", "game": theirs.game_id}
    assert client.post(URL, game).status_code == 422
    assert pinned(theirs) == []


def test_whoever_maintains_nothing_does_not_come_in(squid: Game) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    given = {"known_hosts": f"10.0.0.1 {ONE}\n"}
    answer = logged_in(squid, Role.OPERATOR).post(URL, given, follow=True)
    assert answer.status_code == 403
    assert pinned(one) == []


def test_what_a_list_says_is_shown_as_text(client: Client, squid: Game) -> None:
    host(squid, "a-1", "10.0.0.1")
    names = "10.*,<img/src=x>"
    asked = client.post(URL, {"known_hosts": f"@cert-authority {names} {ONE}\n"})
    assert "<img" not in asked.content.decode()
    confirm(client, asked)
    assert KeyRule.objects.get().names == names
    assert "<img/src" not in client.get("/admin/deploy_tasks/keyrule/").content.decode()


def test_a_long_list_is_shown_in_part_and_approved_whole(client: Client, squid: Game) -> None:
    for number in range(12):
        host(squid, f"a-{number}", f"10.0.0.{number}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webapp.admin.listed_keys.SHOWN", 10)
        asked = client.post(URL, {"known_hosts": f"10.0.0.* {ONE}\n"})
        assert "2 more hosts are not shown." in text(asked)
        confirm(client, asked)
    assert all(pinned(one) == [ONE] for one in Host.objects.all())
