import hashlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from pytest_django import DjangoAssertNumQueries, Settings

from deploy_tasks import bells
from deploy_tasks.models import (
    AuditEntry,
    Credential,
    Game,
    Host,
    HostCheck,
    HostKey,
    Release,
)
from tests import factories
from tests.api import ROOT, Caller, caller, error
from webapp.models import Role

pytestmark = pytest.mark.django_db

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"


@pytest.fixture
def admin(squid: Game) -> Caller:
    """Administers this game and no other."""
    fleet = Credential.objects.create(
        name="fleet", kind="ssh_key", sealed=b"", key_id="k", digest=""
    )
    fleet.games.add(squid)
    return caller("anna", Role.ADMINISTRATOR, squid)


def entry(**more: Any) -> dict[str, Any]:
    given = {"name": "eu-1", "game": "squid", "address": "127.1.0.1", "user": "game"}
    return given | {"credential": "fleet"} | more


class TestHosts:
    def test_a_host_is_added(self, admin: Caller) -> None:
        answer = admin.post("/hosts", entry(port=2222, labels={"region": "eu"}, machine="box-7"))
        assert answer.status_code == 201
        assert answer.json() == {
            "name": "eu-1",
            "game": "squid",
            "address": "127.1.0.1",
            "port": 2222,
            "user": "game",
            "credential": "fleet",
            "labels": {"region": "eu"},
            "machine": "box-7",
            "via": None,
            "vars": {},
            "keys": [],
            "check": None,
            "truth": {
                "wanted": "",
                "on_disk": "",
                "on_disk_at": None,
                "running": "",
                "players": None,
                "asked_at": None,
                "silence": "",
                "drift": "",
            },
            "job": None,
        }
        assert AuditEntry.objects.get().actor == admin.user

    def test_a_host_that_is_there_is_changed_by_its_entry(self, admin: Caller) -> None:
        admin.post("/hosts", entry())
        answer = admin.post("/hosts", entry(address="127.1.0.2"))
        assert (answer.status_code, answer.json()["address"]) == (200, "127.1.0.2")
        assert Host.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": "-oProxyCommand=touch pwn"}, "name"),
            ({"address": "a b"}, "address"),
            ({"port": 0}, "port"),
            ({"game": "chess"}, "game"),
            ({"game": "paper"}, "game"),
            ({"game": None}, "game"),
            ({"credential": "none"}, "credential"),
            ({"colour": "red"}, "colour"),
            ({"via": "nowhere"}, "via"),
        ],
    )
    def test_what_is_wrong_is_named_as_in_an_import(
        self, admin: Caller, change: dict[str, Any], field: str
    ) -> None:
        factories.game("paper")
        answer = admin.post("/hosts", entry(**change))
        assert (answer.status_code, error(answer)["field"]) == (422, field), answer.content
        assert not Host.objects.exists()

    def test_a_host_of_another_game_is_not_taken_over_by_its_name(self, admin: Caller) -> None:
        theirs = factories.host(factories.game("paper"), "eu-1")
        answer = admin.post("/hosts", entry())
        assert answer.status_code == 409
        theirs.refresh_from_db()
        assert theirs.game.name == "paper"

    def test_hosts_are_told_with_their_keys_and_their_job(self, admin: Caller, squid: Game) -> None:
        busy = factories.job(squid, hosts=1).host_runs.get()
        factories.host(squid, "new", pinned=False)
        told = {host["name"]: host for host in admin.get("/hosts").json()["hosts"]}
        assert told[busy.name]["job"] == busy.job_id
        assert told[busy.name]["keys"] == [
            {
                "type": "ssh-ed25519",
                "fingerprint": "SHA256:x",
                "approved_at": "2026-01-01T00:00:00.000Z",
                "approved_by": None,
            }
        ]
        assert (told["new"]["job"], told["new"]["keys"]) == (None, [])
        assert admin.get(f"/hosts/{busy.name}").json() == told[busy.name]

    def test_hosts_can_be_chosen_by_game(self, admin: Caller, squid: Game) -> None:
        factories.host(squid)
        assert len(admin.get("/hosts", game="squid").json()["hosts"]) == 1
        assert admin.get("/hosts", game="paper").json()["hosts"] == []

    def test_hosts_of_games_that_are_not_mine_are_left_out(self, admin: Caller) -> None:
        theirs = factories.host(factories.game("paper"))
        assert admin.get("/hosts").json()["hosts"] == []
        assert admin.get(f"/hosts/{theirs.name}").status_code == 404

    def test_many_hosts_cost_no_more_queries(
        self, admin: Caller, squid: Game, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(10):
            factories.host(squid)
        admin.get("/hosts")
        with django_assert_num_queries(7):  # token, hosts, keys, looks, and three truths
            assert len(admin.get("/hosts").json()["hosts"]) == 10

    def test_a_patch_changes_what_it_names_and_nothing_else(
        self, admin: Caller, squid: Game
    ) -> None:
        factories.host(squid, "eu-1", port=2222, labels={"region": "eu"})
        before = admin.get("/hosts/eu-1").json()
        answer = admin.send("patch", "/hosts/eu-1", {"address": "127.3.0.3"})
        assert answer.status_code == 200
        assert answer.json() == before | {"address": "127.3.0.3"}

    def test_a_patch_can_empty_what_may_be_empty(self, admin: Caller) -> None:
        admin.post("/hosts", entry(machine="box-7", labels={"region": "eu"}))
        answer = admin.send("patch", "/hosts/eu-1", {"machine": None, "labels": {}})
        assert (answer.json()["machine"], answer.json()["labels"]) == (None, {})

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"name": "eu-2"}, "name"), ({"port": "x"}, "port"), ({"game": "paper"}, "game")],
    )
    def test_a_patch_that_makes_no_sense_is_refused(
        self, admin: Caller, squid: Game, change: dict[str, Any], field: str
    ) -> None:
        factories.game("paper")
        factories.host(squid, "eu-1")
        answer = admin.send("patch", "/hosts/eu-1", change)
        assert (answer.status_code, error(answer)["field"]) == (422, field)

    def test_a_pinned_key_is_not_changed_by_a_patch(self, admin: Caller, squid: Game) -> None:
        factories.host(squid, "eu-1")
        answer = admin.send("patch", "/hosts/eu-1", {"host_key": ED25519 + "A" * 44})
        assert answer.status_code == 422
        assert HostKey.objects.get().fingerprint == "SHA256:x"

    def test_a_host_is_removed_and_its_past_stays(self, admin: Caller, squid: Game) -> None:
        run = factories.job(squid, hosts=1).host_runs.get()
        run.job.host_runs.update(state="succeeded", holds_host=False)
        answer = admin.send("delete", f"/hosts/{run.name}")
        assert (answer.status_code, answer.content) == (204, b"")
        run.refresh_from_db()
        assert (run.host, bool(run.name)) == (None, True)
        entry = AuditEntry.objects.get(action="remove_host")
        assert (entry.actor, entry.object) == (admin.user, run.name)

    def test_a_busy_host_stays(self, admin: Caller, squid: Game) -> None:
        run = factories.job(squid, hosts=1).host_runs.get()
        answer = admin.send("delete", f"/hosts/{run.name}")
        assert answer.status_code == 409
        assert Host.objects.exists()

    def test_a_host_that_others_go_through_stays(self, admin: Caller, squid: Game) -> None:
        bastion = factories.host(squid, "bastion")
        factories.host(squid, "eu-1", via=bastion)
        answer = admin.send("delete", "/hosts/bastion")
        assert answer.status_code == 409
        assert "eu-1" in error(answer)["message"]
        assert not AuditEntry.objects.exists()

    def test_a_worker_is_asked_to_look_at_a_host(
        self,
        admin: Caller,
        squid: Game,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        rung: list[int] = []
        monkeypatch.setattr(bells, "ring_looks", rung.extend)
        host = factories.host(squid, "eu-1")
        with django_capture_on_commit_callbacks(execute=True):
            answer = admin.post("/hosts/eu-1/test")
        assert (answer.status_code, answer.json()["name"]) == (202, "eu-1")
        check = answer.json()["check"]
        assert (check["well"], check["ended_at"], check["items"]) == (None, None, [])
        assert rung == [host.pk]

    def test_the_last_look_at_a_host_is_told(self, admin: Caller, squid: Game) -> None:
        host = factories.host(squid, "eu-1")
        items = [{"part": "reachable", "result": "problem", "says": "nobody answers"}]
        at = "2026-01-01T00:00:00.000Z"
        HostCheck.objects.create(host=host, asked_at=at, ended_at=at, items=items)
        told = admin.get("/hosts").json()["hosts"][0]["check"]
        assert told == {"asked_at": at, "ended_at": at, "well": False, "items": items}


class TestKeys:
    @pytest.fixture
    def host(self, squid: Game) -> Host:
        host = factories.host(squid, "eu-1", pinned=False)
        for kind, name in (("ssh-ed25519", "SHA256:new"), ("ssh-rsa", "SHA256:rsa")):
            HostKey.objects.create(host=host, key=f"{kind} AAAA{name}", fingerprint=name)
        return host

    def test_an_offered_key_is_pinned(self, admin: Caller, host: Host) -> None:
        answer = approve(admin, "SHA256:new")
        assert answer.status_code == 200
        pinned = host.keys.get(approved_at__isnull=False)
        assert (pinned.fingerprint, pinned.approved_by) == ("SHA256:new", admin.user)
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.object) == ("approve_key", "eu-1")
        assert entry.details["after"] == {"host_key": "SHA256:new"}

    def test_a_key_that_was_not_offered_is_refused(self, admin: Caller, host: Host) -> None:
        answer = approve(admin, "SHA256:made-up")
        assert (answer.status_code, error(answer)["field"]) == (422, "fingerprint")
        assert not host.keys.filter(approved_at__isnull=False).exists()

    def test_another_pinned_key_of_its_type_is_not_given_up(
        self, admin: Caller, host: Host
    ) -> None:
        pin(host, "SHA256:old")
        answer = approve(admin, "SHA256:new")
        assert answer.status_code == 409
        assert "SHA256:old" in error(answer)["message"]
        assert "SHA256:new" in error(answer)["message"]
        assert host.keys.get(approved_at__isnull=False).fingerprint == "SHA256:old"

    def test_it_is_replaced_when_the_caller_says_so(self, admin: Caller, host: Host) -> None:
        pin(host, "SHA256:old")
        assert approve(admin, "SHA256:new", replace=True).status_code == 200
        assert host.keys.get(approved_at__isnull=False).fingerprint == "SHA256:new"
        assert AuditEntry.objects.get().details["before"] == {"host_key": ["SHA256:old"]}

    def test_a_pinned_key_of_another_type_stays_beside_it(self, admin: Caller, host: Host) -> None:
        approve(admin, "SHA256:rsa")
        assert approve(admin, "SHA256:new").status_code == 200
        assert host.keys.filter(approved_at__isnull=False).count() == 2

    def test_pinning_it_again_changes_nothing(self, admin: Caller, host: Host) -> None:
        approve(admin, "SHA256:new")
        assert approve(admin, "SHA256:new").status_code == 200
        assert AuditEntry.objects.count() == 1

    def test_an_operator_may_not_approve_keys(self, squid: Game, host: Host) -> None:
        assert approve(caller("mira", Role.OPERATOR, squid), "SHA256:new").status_code == 403
        assert not host.keys.filter(approved_at__isnull=False).exists()


def approve(caller: Caller, fingerprint: str, **more: bool) -> HttpResponse:
    return caller.post("/hosts/eu-1/approve-key", {"fingerprint": fingerprint} | more)


def pin(host: Host, fingerprint: str) -> None:
    HostKey.objects.create(
        host=host,
        key=f"ssh-ed25519 AAAA{fingerprint}",
        fingerprint=fingerprint,
        approved_at="2026-01-01T00:00Z",
    )


class TestReleases:
    @pytest.fixture(autouse=True)
    def store(self, settings: Settings, tmp_path: Any) -> None:
        settings.ARTIFACTS = tmp_path / "artifacts"

    def test_an_artifact_is_uploaded(self, admin: Caller) -> None:
        answer = upload(admin, b"the bits")
        assert answer.status_code == 201
        told = answer.json()
        assert told["sha256"] == hashlib.sha256(b"the bits").hexdigest()
        assert (told["game"], told["version"], told["size"]) == ("squid", "2.0", 8)
        assert told["filename"] == "squid-2.0.tar.gz"
        assert admin.get("/releases").json()["releases"] == [told]

    def test_the_same_release_again_changes_nothing(self, admin: Caller) -> None:
        first, again = upload(admin, b"the bits"), upload(admin, b"the bits")
        assert (first.status_code, again.status_code) == (201, 200)
        assert Release.objects.count() == 1

    def test_a_release_never_changes(self, admin: Caller) -> None:
        upload(admin, b"the bits")
        answer = upload(admin, b"other bits")
        assert answer.status_code == 422
        assert Release.objects.get().sha256 == hashlib.sha256(b"the bits").hexdigest()

    def test_an_artifact_that_is_not_what_was_said_is_refused(self, admin: Caller) -> None:
        answer = upload(admin, b"the bits", sha256="0" * 64)
        assert answer.status_code == 422
        assert not Release.objects.exists()

    def test_a_release_may_have_no_artifact(self, admin: Caller) -> None:
        answer = upload(admin, None)
        assert (answer.status_code, answer.json()["sha256"]) == (201, "")

    def test_no_file_of_the_server_can_be_named(self, admin: Caller) -> None:
        answer = upload(admin, None, artifact="/etc/passwd")
        assert answer.status_code == 422
        assert not Release.objects.exists()

    @pytest.mark.parametrize(
        ("change", "field"), [({"game": "chess"}, "game"), ({"version": "-1"}, "version")]
    )
    def test_what_is_wrong_is_named(
        self, admin: Caller, change: dict[str, str], field: str
    ) -> None:
        answer = upload(admin, b"the bits", **change)
        assert (answer.status_code, error(answer)["field"]) == (422, field)

    def test_releases_of_games_that_are_not_mine_are_left_out(self, admin: Caller) -> None:
        factories.release(factories.game("paper"))
        assert admin.get("/releases").json()["releases"] == []
        assert admin.get("/releases", game="paper").json()["releases"] == []


def upload(caller: Caller, bits: bytes | None, **more: str) -> HttpResponse:
    fields: dict[str, Any] = {"game": "squid", "version": "2.0"} | more
    if bits is not None:
        fields["artifact"] = SimpleUploadedFile("squid-2.0.tar.gz", bits)
    return caller.client.post(f"{ROOT}/releases", fields)


class TestGames:
    @pytest.fixture
    def chief(self) -> Caller:
        return caller("chief", Role.ADMINISTRATOR)

    def test_a_game_is_added_with_a_recipe_that_we_ship(self, chief: Caller) -> None:
        answer = chief.post("/games", {"name": "paper", "recipe": "symlink-release"})
        assert answer.status_code == 201, answer.content
        assert answer.json() == {
            "name": "paper",
            "recipe": "symlink-release",
            "vars": {},
            "rollouts": {},
        }
        assert answer.json() in chief.get("/games").json()["games"]

    def test_the_same_game_again_changes_nothing(self, chief: Caller) -> None:
        for status in (201, 200):
            answer = chief.post("/games", {"name": "paper", "recipe": "symlink-release"})
            assert answer.status_code == status

    @pytest.mark.parametrize("recipe", ["/etc/passwd", "../../etc/passwd", "recipes/x.yml"])
    def test_no_file_of_the_server_can_be_named(self, chief: Caller, recipe: str) -> None:
        answer = chief.post("/games", {"name": "paper", "recipe": recipe})
        assert (answer.status_code, error(answer)["field"]) == (422, "recipe")

    def test_who_administers_one_game_may_not_add_another(self, admin: Caller) -> None:
        answer = admin.post("/games", {"name": "paper", "recipe": "symlink-release"})
        assert answer.status_code == 403

    def test_games_that_are_not_mine_are_left_out(self, admin: Caller) -> None:
        factories.game("paper")
        assert [game["name"] for game in admin.get("/games").json()["games"]] == ["squid"]
