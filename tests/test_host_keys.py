"""Host keys from a list that people trust: known_hosts files, and what ssh-keyscan prints."""

import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from demo.fleet import Fleet
from deploy_tasks import host_keys, hosts, inventory, key_rules, known_hosts, ssh
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.host_keys import Outcome
from deploy_tasks.models import AuditEntry, Game, Host, HostCheck, HostKey, KeyRule
from tests import factories
from tests.api import Caller
from tests.ssh_keys import host_key
from tests.stories import person
from webapp.models import Role

pytestmark = pytest.mark.django_db

ONE, TWO, THREE = (host_key(number) for number in (1, 2, 3))


def host(game: Game, name: str, address: str, port: int = 22, *, pinned: str = "") -> Host:
    made = factories.host(game, name, address=address, port=port, pinned=False)
    if pinned:
        pin(made, pinned)
    return made


def pin(host: Host, key: str) -> None:
    HostKey.objects.create(
        host=host, key=key, fingerprint=ssh.fingerprint(key), approved_at="2026-01-01T00:00Z"
    )


def approve(text: str, by: User, *, replace: bool = False) -> host_keys.Approval:
    return host_keys.approve_listed(Host.objects.all(), text, by=by, replace=replace)


def pinned(host: Host) -> list[str]:
    return sorted(host.keys.filter(approved_at__isnull=False).values_list("key", flat=True))


def test_hosts_are_found_by_address_and_port(squid: Game, mira: User) -> None:
    plain, odd = host(squid, "a-1", "10.0.0.1"), host(squid, "a-2", "10.0.0.1", 2222)
    other = host(squid, "a-3", "10.0.0.3")
    text = f"# 10.0.0.1:22 SSH-2.0\n10.0.0.1 {ONE}\n[10.0.0.1]:2222,[x]:2222 {TWO} comment\n\n"
    done = approve(text, mira)
    assert (done.names(Outcome.APPROVED), done.names(Outcome.UNNAMED)) == (["a-1", "a-2"], ["a-3"])
    assert (pinned(plain), pinned(odd), pinned(other)) == ([ONE], [TWO], [])
    entry = AuditEntry.objects.get()
    assert entry.details["after"] == {"a-1": [ssh.fingerprint(ONE)], "a-2": [ssh.fingerprint(TWO)]}
    assert HostKey.objects.get(host=plain).approved_by == mira


def test_a_second_time_changes_nothing(squid: Game, mira: User) -> None:
    host(squid, "a-1", "10.0.0.1")
    approve(f"10.0.0.1 {ONE}\n", mira)
    assert approve(f"10.0.0.1 {ONE}\n", mira).names(Outcome.UNCHANGED) == ["a-1"]
    assert AuditEntry.objects.count() == 1


def test_a_key_that_was_only_offered_is_pinned(squid: Game, mira: User) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    HostKey.objects.create(host=one, key=ONE, fingerprint=ssh.fingerprint(ONE))
    approve(f"10.0.0.1 {ONE}\n", mira)
    assert (pinned(one), one.keys.count()) == ([ONE], 1)


def test_another_pinned_key_is_given_up_only_when_that_is_said(squid: Game, mira: User) -> None:
    one = host(squid, "a-1", "10.0.0.1", pinned=ONE)
    refused = approve(f"10.0.0.1 {TWO}\n", mira).of(Outcome.REFUSED)[0].why
    assert ssh.fingerprint(ONE) in refused
    assert ssh.fingerprint(TWO) in refused
    assert pinned(one) == [ONE]
    assert approve(f"10.0.0.1 {TWO}\n", mira, replace=True).names(Outcome.APPROVED) == ["a-1"]
    assert pinned(one) == [TWO]


def test_a_revoked_key_is_pinned_no_more_and_never_again(squid: Game, mira: User) -> None:
    one = host(squid, "a-1", "10.0.0.1", pinned=ONE)
    done = approve(f"@revoked 10.0.0.* {ONE}\n10.0.0.1 {ONE}\n", mira)
    assert (done.revoked, pinned(one)) == (["a-1"], [])


def test_a_key_of_an_authority_is_not_taken_for_a_hosts_own(squid: Game, mira: User) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    done = approve(f"@cert-authority * {ONE}\n", mira)
    assert (done.names(Outcome.VOUCHED), pinned(one)) == (["a-1"], [])
    rule = KeyRule.objects.get()
    assert (rule.game, rule.kind, rule.names, rule.key) == (squid, "authority", "*", ONE)
    assert rule.approved_by == mira
    assert key_rules.authorities_of(one) == [ONE]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.game) == ("add_keyrule", "squid")
    assert entry.details["after"]["key"] == ssh.fingerprint(ONE)


def test_the_same_rule_is_kept_once(squid: Game, mira: User) -> None:
    host(squid, "a-1", "10.0.0.1")
    for _ in range(2):
        done = approve(f"@cert-authority *,!x {ONE}\n@cert-authority *,!x {ONE}\n", mira)
    assert (len(done.rules), KeyRule.objects.count()) == (0, 1)
    assert not done.changes


def test_an_authority_is_for_games_with_a_host_that_it_is_about(squid: Game, mira: User) -> None:
    host(squid, "a-1", "10.0.0.1", 2222)
    paper = factories.game("paper")
    host(paper, "b-1", "10.9.0.1")
    assert [rule.game for rule in approve(f"@cert-authority 10.0.* {ONE}\n", mira).rules] == [squid]
    given = f"@cert-authority *.new {TWO}\n"
    assert approve(given, mira).rules == []
    done = host_keys.approve_listed(Host.objects.none(), given, by=mira, games=[paper])
    assert [rule.game for rule in done.rules] == [paper]


@pytest.mark.parametrize(
    ("names", "address", "port", "is_about"),
    [
        ("10.0.0.*", "10.0.0.1", 2222, True),  # as ssh looks again without the port
        ("[10.0.0.1]:2222", "10.0.0.1", 2222, True),
        ("[10.0.0.1]:2222", "10.0.0.1", 22, False),
        ("a-?", "10.0.0.1", 22, True),  # the name in the inventory
        ("*,!10.0.0.1", "10.0.0.1", 22, False),
        ("*,!10.0.0.1", "10.0.0.1", 2222, False),
        ("*,!a-1", "10.0.0.1", 22, False),
        ("*,![10.0.0.1]:2222", "10.0.0.1", 2222, False),
        ("*,![10.0.0.1]:2222", "10.0.0.1", 22, True),
        ("10.0.0.2", "10.0.0.1", 22, False),
    ],
)
def test_rules_are_about_hosts_by_address_and_by_name(
    squid: Game, names: str, address: str, port: int, is_about: bool
) -> None:
    assert key_rules.is_about(names, host(squid, "a-1", address, port)) == is_about


def test_what_was_revoked_once_is_not_taken_later(squid: Game, mira: User) -> None:
    one = host(squid, "a-1", "10.0.0.1")
    approve(f"@revoked * {ONE}\n", mira)
    assert approve(f"10.0.0.1 {ONE}\n", mira).names(Outcome.UNNAMED) == ["a-1"]
    HostKey.objects.create(host=one, key=ONE, fingerprint=ssh.fingerprint(ONE))
    with pytest.raises(InvalidInput, match="is revoked"):
        hosts.approve_key(one, fingerprint=ssh.fingerprint(ONE), by=mira)
    assert pinned(one) == []
    entry = {"name": "a-1", "game": "squid", "address": "10.0.0.1", "user": "game"}
    with pytest.raises(InvalidInputs, match="is revoked"):
        inventory.check_entry("hosts", {**entry, "credential": "fleet", "host_key": ONE})
    inventory.check_entry("hosts", {**entry, "credential": "fleet", "host_key": TWO})


def test_a_host_that_an_authority_may_vouch_for_is_looked_at_and_may_be_updated(
    squid: Game, mira: User, settings: Settings
) -> None:
    settings.LOOK_EVERY_HOURS = 24
    one, other = host(squid, "a-1", "10.0.0.1"), host(squid, "a-2", "10.0.0.2")
    assert key_rules.knowable([one, other]) == set()
    assert hosts.look_around() == 0
    approve(f"@cert-authority a-1 {ONE}\n", mira)
    assert set(HostCheck.objects.values_list("host__name", flat=True)) == {"a-1"}
    found = Host.objects.filter(game=squid)
    assert key_rules.knowable(found) == {one.pk}
    HostCheck.objects.all().delete()
    assert hosts.look_around() == 2


def test_a_key_that_an_authority_vouches_for_takes_the_place_of_its_type(
    squid: Game, mira: User
) -> None:
    one = host(squid, "a-1", "10.0.0.1", pinned=ONE)
    HostKey.objects.create(host=one, key=TWO, fingerprint=ssh.fingerprint(TWO))
    vouched = ssh.Vouched(TWO, ssh.fingerprint(THREE))
    for _ in range(2):
        key_rules.pin_vouched(one.pk, [vouched])
    assert pinned(one) == [TWO]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.game) == ("pin_certified_key", "host CA", "squid")
    assert entry.details["before"] == {"host_key": [ssh.fingerprint(ONE)]}
    assert entry.details["after"] == {"host_key": [ssh.fingerprint(TWO)]}
    assert entry.details["authority"] == [ssh.fingerprint(THREE)]


@pytest.mark.parametrize(
    ("names", "address", "port", "is_about"),
    [
        ("eu-*.example", "eu-1.example", 22, True),
        ("EU-1.example", "eu-1.EXAMPLE", 22, True),
        ("eu-*.example,!eu-1.example", "eu-1.example", 22, False),
        ("[eu-1.example]:2222", "eu-1.example", 2222, True),
        ("eu-1.example", "eu-1.example", 2222, False),
        ("[eu-?.example]:*", "eu-1.example", 2222, True),
        ("2001:db8::1", "2001:db8::1", 22, True),
    ],
)
def test_names_are_read_as_openssh_reads_them(
    names: str, address: str, port: int, is_about: bool
) -> None:
    (line,) = known_hosts.read(f"{names} {ONE}\n")
    assert line.is_about(address, port) == is_about


def test_hashed_names_are_read(tmp_path: Path) -> None:
    (file := tmp_path / "known").write_text(f"eu-1.example {ONE}\n[eu-1.example]:2222 {TWO}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(file)], check=True, capture_output=True)
    first, second = known_hosts.read(file.read_text())
    assert "eu-1" not in file.read_text()
    assert first.is_about("eu-1.example", 22)
    assert not first.is_about("eu-1.example", 2222)
    assert second.is_about("eu-1.example", 2222)


@pytest.mark.parametrize(
    "line",
    [
        *("10.0.0.1 ssh-ed25519", "@nonsense a b c", "hello", "10.0.0.1 ssh-ed25519 AAAA"),
        f"@revoked {'x' * 501} {ONE}",
    ],
)
def test_what_is_no_list_is_refused_with_its_line(line: str, squid: Game, mira: User) -> None:
    with pytest.raises(InvalidInput) as refusal:
        approve(f"10.0.0.1 {ONE}\n{line}\n", mira)
    assert refusal.value.line == 2


def test_keys_of_types_that_are_not_supported_are_named_by_line(squid: Game, mira: User) -> None:
    done = approve(f"10.0.0.1 ssh-dss AAAA\n10.0.0.1 {ONE}\n", mira)
    assert done.skipped == [1]


@pytest.mark.ssh
def test_what_ssh_keyscan_prints_is_taken(fleet: Fleet, squid: Game, mira: User) -> None:
    far = fleet.hosts[0]
    one = host(squid, far.name, far.address, far.port)
    words = ["ssh-keyscan", "-p", str(far.port), "-T", "20", far.address]
    scanned = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    assert approve(scanned, mira).names(Outcome.APPROVED) == [far.name]
    assert far.host_key in pinned(one)


class TestApi:
    def test_a_maintainer_approves_for_the_own_game_alone(
        self, squid: Game, settings: Settings
    ) -> None:
        mine = host(squid, "a-1", "10.0.0.1")
        theirs = host(factories.game("paper"), "b-1", "10.0.0.1")
        anna = Caller(person("anna", game=squid, role=Role.MAINTAINER))
        answer = anna.post("/hosts/approve-keys", {"known_hosts": f"10.0.0.1 {ONE}\n"})
        assert answer.json() == {
            "approved": ["a-1"],
            "unchanged": [],
            "revoked": [],
            "vouched": [],
            "unnamed": [],
            "refused": [],
            "rules": [],
            "skipped": [],
        }
        assert (pinned(mine), pinned(theirs)) == ([ONE], [])

    def test_a_host_ca_is_kept_for_the_own_game_alone(self, squid: Game) -> None:
        host(squid, "a-1", "10.0.0.1")
        host(factories.game("paper"), "b-1", "10.0.0.2")
        anna = Caller(person("anna", game=squid, role=Role.MAINTAINER))
        given = {"known_hosts": f"@cert-authority * {ONE}\n"}
        answer = anna.post("/hosts/approve-keys", given).json()
        assert answer["vouched"] == ["a-1"]
        assert answer["rules"] == [
            {
                "game": "squid",
                "kind": "authority",
                "names": "*",
                "fingerprint": ssh.fingerprint(ONE),
            }
        ]
        assert [rule.game for rule in KeyRule.objects.all()] == [squid]

    def test_whoever_maintains_nothing_approves_nothing(self, squid: Game) -> None:
        one = host(squid, "a-1", "10.0.0.1")
        olga = Caller(person("olga", game=squid, role=Role.OPERATOR))
        answer = olga.post("/hosts/approve-keys", {"known_hosts": f"10.0.0.1 {ONE}\n"})
        assert answer.status_code == 403
        assert pinned(one) == []

    def test_a_text_that_is_no_list_is_refused_beside_its_field(self, squid: Game) -> None:
        anna = Caller(person("anna", game=squid, role=Role.MAINTAINER))
        answer = anna.post("/hosts/approve-keys", {"known_hosts": "hello"})
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "known_hosts")
