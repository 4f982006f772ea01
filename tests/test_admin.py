"""The admin: who may enter, that it says what the inventory says, and that it is written down."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from deploy_tasks import vault
from deploy_tasks.models import (
    AuditEntry,
    Credential,
    Game,
    Host,
    HostKey,
    Recipe,
    RecipeRevision,
    Release,
)
from tests import factories
from tests.ssh_keys import host_key, private_key
from tests.stories import person
from webapp.models import ApiToken, Grant, Role

pytestmark = pytest.mark.django_db

HOSTS = "/admin/deploy_tasks/host/"


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    settings.ARTIFACTS = tmp_path / "artifacts"
    vault.ensure_keys()


@pytest.fixture
def client() -> Client:
    """Administers all games by a role, and is no superuser."""
    return logged_in(role=Role.ADMINISTRATOR)


def logged_in(*, role: Role | None = None, game: Game | None = None) -> Client:
    client = Client()
    client.force_login(person("anna", role=role, game=game))
    return client


def text(answer: Any) -> str:
    """What a person reads: without marks, white space as one space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def act(client: Client, action: str, *hosts: Host, **more: Any) -> Any:
    """Choose an action for these hosts."""
    given = {"action": action, "_selected_action": [host.pk for host in hosts], "index": 0}
    return client.post(HOSTS, given | more)


def confirm(client: Client, asked: Any, **more: Any) -> Any:
    """Answer the page that asked, as its form would."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked.content.decode())
    given: dict[str, Any] = {}
    for name, value in found:
        given.setdefault(name, []).append(value)
    return client.post(HOSTS, given | more, follow=True)


class TestEntry:
    def test_an_administrator_of_all_games_comes_in_and_sees_every_screen(
        self, client: Client, squid: Game
    ) -> None:
        factories.host(squid, "eu-1", labels={"region": "eu"})
        front = client.get("/admin/")
        screens = re.findall(r'href="(/admin/\w+/\w+/(?:add/)?)"', front.content.decode())
        assert len(screens) == 21
        for screen in screens:
            assert client.get(screen, follow=True).status_code == 200, screen

    @pytest.mark.parametrize("role", [None, Role.VIEWER, Role.OPERATOR])
    def test_who_maintains_nothing_does_not(self, role: Role | None) -> None:
        client = logged_in(role=role)
        for path in ("/admin/", HOSTS, "/admin/import/"):
            assert client.get(path, follow=True).status_code == 403

    def test_a_maintainer_of_one_game_finds_what_is_of_that_game(self, squid: Game) -> None:
        client = logged_in(role=Role.MAINTAINER, game=squid)
        front = client.get("/admin/")
        screens = re.findall(r'href="/admin/\w+/(\w+)/"', front.content.decode())
        assert screens == ["host", "keyrule", "game", "release", "recipe", "credential"]
        assert client.get("/admin/import/").status_code == 403

    def test_whoever_is_not_logged_in_is_asked_to_as_everywhere(self) -> None:
        answer = Client().get(HOSTS, follow=True)
        assert answer.redirect_chain[-1][0].startswith("/login?next=")

    def test_only_who_may_enter_is_shown_the_way(self, client: Client) -> None:
        assert 'href="/admin/"' in client.get("/").content.decode()
        guest = Client()
        guest.force_login(person("vera", role=Role.VIEWER))
        assert 'href="/admin/"' not in guest.get("/").content.decode()


class TestHosts:
    @pytest.fixture
    def given(self, squid: Game) -> dict[str, Any]:
        credential = factories.host(squid, "eu-0").credential
        return {
            "name": "eu-1",
            "game": squid.pk,
            "address": "10.0.0.1",
            "port": 22,
            "user": "game",
            "credential": credential.pk,
            "via": "",
            "machine": "",
            "labels": "region=eu\nshard = a",
            "vars": "{}",
        }

    def test_a_host_is_added_as_by_an_inventory_file(
        self, client: Client, given: dict[str, Any]
    ) -> None:
        answer = client.post(f"{HOSTS}add/", given | {"via": "eu-0"})
        assert answer.status_code == 302, errors(answer)
        host = Host.objects.get(name="eu-1")
        assert (host.address, host.labels) == ("10.0.0.1", {"region": "eu", "shard": "a"})
        assert (host.via and host.via.name) == "eu-0"
        entry = AuditEntry.objects.get()
        assert (entry.actor_name, entry.action, entry.object) == ("anna", "import", "hosts eu-1")

    def test_a_host_is_changed_and_keeps_its_name(
        self, client: Client, given: dict[str, Any]
    ) -> None:
        host = Host.objects.get(name="eu-0")
        change = given | {"name": "other", "address": "10.0.0.9"}
        answer = client.post(f"{HOSTS}{host.pk}/change/", change)
        assert answer.status_code == 302, errors(answer)
        host.refresh_from_db()
        assert (host.name, host.address) == ("eu-0", "10.0.0.9")
        assert Host.objects.count() == 1

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("address", "game@10.0.0.1", "a host name or an IP address alone"),
            ("user", "a b", "the name of a user"),
            ("labels", "region", "label=value"),
            ("labels", "-x=1", "A name has 1 to 64"),
            ("vars", '{"nothing": 1}', "nothing"),
            ("via", "eu-9", "no host “eu-9”"),
        ],
    )
    def test_what_the_inventory_refuses_stands_at_its_field(
        self, client: Client, given: dict[str, Any], field: str, value: str, said: str
    ) -> None:
        answer = client.post(f"{HOSTS}add/", given | {field: value})
        assert said in " ".join(errors(answer)[field])
        assert Host.objects.count() == 1

    def test_they_are_found_by_label_and_by_the_state_of_their_key(
        self, client: Client, squid: Game
    ) -> None:
        factories.host(squid, "eu-1", labels={"re__gion": "eu"})
        factories.host(squid, "us-1", labels={"re__gion": "us"}, pinned=False)
        found = text(client.get(HOSTS, {"label": "re__gion=eu"}))
        assert ("eu-1" in found, "us-1" in found) == (True, False)
        found = text(client.get(HOSTS, {"key": "none"}))
        assert ("eu-1" in found, "us-1" in found) == (False, True)

    def test_removal_is_written_down(self, client: Client, squid: Game) -> None:
        host = factories.host(squid, "eu-1")
        client.post(f"{HOSTS}{host.pk}/delete/", {"post": "yes"})
        assert not Host.objects.exists()
        assert AuditEntry.objects.get().action == "remove_host"

    def test_a_busy_host_is_not_removed_and_says_why(self, client: Client, squid: Game) -> None:
        host = factories.job(squid, hosts=1).host_runs.get().host
        assert host
        answer = client.post(f"{HOSTS}{host.pk}/delete/", {"post": "yes"})
        assert "is busy with job" in text(answer)
        assert Host.objects.exists()


class TestLabels:
    @pytest.fixture
    def hosts(self, squid: Game) -> list[Host]:
        return [
            factories.host(squid, f"eu-{n}", labels={"region": "eu", "hold": "yes"})
            for n in range(3)
        ]

    def test_many_hosts_are_labelled_at_once(self, client: Client, hosts: list[Host]) -> None:
        asked = act(client, "edit_labels", *hosts[:2])
        assert "eu-0, eu-1" in text(asked)
        confirm(client, asked, put="shard=a\nregion=us", drop="hold")
        labels = list(Host.objects.order_by("name").values_list("labels", flat=True))
        assert labels[:2] == [{"region": "us", "shard": "a"}] * 2
        assert labels[2] == {"region": "eu", "hold": "yes"}
        entry = AuditEntry.objects.get()
        assert (entry.action, list(entry.details["after"])) == ("label_hosts", ["eu-0", "eu-1"])
        assert entry.details["before"]["eu-0"] == {"region": "eu", "hold": "yes"}

    def test_all_that_a_filter_leaves_are_labelled(
        self, client: Client, hosts: list[Host], squid: Game
    ) -> None:
        factories.host(squid, "us-1")
        given = {"action": "edit_labels", "_selected_action": hosts[0].pk, "select_across": 1}
        given |= {"confirmed": "yes", "put": "x=1", "drop": ""}
        client.post(f"{HOSTS}?label=region%3Deu", given)
        assert Host.objects.filter(labels__x="1").count() == 3

    def test_a_label_that_no_inventory_could_say_is_refused(
        self, client: Client, hosts: list[Host]
    ) -> None:
        asked = act(client, "edit_labels", *hosts)
        answer = confirm(client, asked, put="a b=1", drop="")
        assert "A name has 1 to 64" in text(answer)
        assert not AuditEntry.objects.exists()


class TestKeys:
    @pytest.fixture
    def host(self, squid: Game) -> Host:
        host = factories.host(squid, "eu-1", pinned=False)
        offer(host, 1)
        return host

    def test_offered_keys_are_shown_and_then_approved(self, client: Client, host: Host) -> None:
        asked = act(client, "approve_keys", host)
        assert "SHA256:1" in text(asked)
        assert not host.keys.filter(approved_at__isnull=False).exists()
        confirm(client, asked)
        key = host.keys.get(approved_at__isnull=False)
        assert (key.fingerprint, key.approved_by and key.approved_by.username) == (
            "SHA256:1",
            "anna",
        )

    def test_a_key_that_came_after_the_page_is_not_approved_unseen(
        self, client: Client, host: Host
    ) -> None:
        asked = act(client, "approve_keys", host)
        offer(host, 2)
        answer = confirm(client, asked)
        assert "Other keys were offered meanwhile" in text(answer)
        assert not host.keys.filter(approved_at__isnull=False).exists()

    def test_a_pinned_key_is_replaced_only_on_purpose(self, client: Client, host: Host) -> None:
        confirm(client, act(client, "approve_keys", host))
        offer(host, 2)
        asked = act(client, "approve_keys", host)
        assert "has another pinned key" in text(confirm(client, asked))
        confirm(client, act(client, "approve_keys", host), replace="on")
        assert host.keys.get().fingerprint == "SHA256:2"


def offer(host: Host, n: int) -> None:
    HostKey.objects.create(host=host, key=host_key(n), fingerprint=f"SHA256:{n}")


class TestGames:
    URL = "/admin/deploy_tasks/game/"

    def test_a_game_is_added_with_a_recipe_that_we_ship(self, client: Client) -> None:
        given = {"name": "paper", "recipe_name": "custom-script", "vars": "{}"}
        assert client.post(f"{self.URL}add/", given).status_code == 302
        assert Game.objects.get().recipe.name == "custom-script"

    def test_variables_that_the_recipe_does_not_have_are_refused(
        self, client: Client, squid: Game
    ) -> None:
        given = {"recipe_name": squid.recipe.name, "vars": '{"port": 1}'}
        answer = client.post(f"{self.URL}{squid.pk}/change/", given)
        assert "port" in " ".join(errors(answer)["vars"])


class TestRecipes:
    URL = "/admin/deploy_tasks/recipe/"

    @pytest.fixture
    def own(self) -> Recipe:
        recipe = Recipe.objects.create(name="steps")
        RecipeRevision.objects.create(recipe=recipe, number=1, text=factories.RECIPE, sha256="x")
        return recipe

    def test_a_saved_text_is_a_new_revision(self, client: Client, own: Recipe) -> None:
        changed = factories.RECIPE.replace("stopping", "going down").replace("\n", "\r\n")
        assert client.post(f"{self.URL}{own.pk}/change/", {"text": changed}).status_code == 302
        assert own.newest().number == 2
        assert own.newest().text == changed.replace("\r\n", "\n")
        assert AuditEntry.objects.get().action == "change_recipe"

    def test_the_same_text_is_none(self, client: Client, own: Recipe) -> None:
        for _twice in range(2):
            client.post(f"{self.URL}{own.pk}/change/", {"text": factories.RECIPE + "# again\n"})
        assert own.revisions.count() == 2

    def test_all_that_is_wrong_stands_at_the_text_with_its_lines(
        self, client: Client, own: Recipe
    ) -> None:
        wrong = factories.RECIPE.replace("summary:", "sumary:").replace("name: stop", "nmae: stop")
        told = errors(client.post(f"{self.URL}{own.pk}/change/", {"text": wrong}))["text"]
        assert any("line 2, “sumary: Two steps”" in one and "summary" in one for one in told)
        assert any("line 5, “- nmae: stop”" in one for one in told)
        assert own.revisions.count() == 1

    @pytest.mark.parametrize(
        ("name", "said"),
        [("symlink-release", "comes with Patchwave"), ("other", "is called “steps”")],
    )
    def test_a_recipe_keeps_its_name_and_leaves_others_theirs(
        self, client: Client, own: Recipe, name: str, said: str
    ) -> None:
        text = factories.RECIPE.replace("recipe: steps", f"recipe: {name}")
        assert said in errors(client.post(f"{self.URL}{own.pk}/change/", {"text": text}))["text"][0]

    def test_a_recipe_is_added(self, client: Client) -> None:
        assert client.post(f"{self.URL}add/", {"text": factories.RECIPE}).status_code == 302
        assert Recipe.objects.get().newest().text == factories.RECIPE


class TestCredentials:
    URL = "/admin/deploy_tasks/credential/"

    def test_a_secret_goes_in_and_never_comes_out(self, client: Client) -> None:
        given = {"name": "rcon", "kind": "secret", "secret": "swordfish\r\n"}
        assert client.post(f"{self.URL}add/", given).status_code == 302
        row = Credential.objects.get()
        identity = vault.identity_of_credential("rcon")
        opened = vault.open_sealed(row.key_id, bytes(row.sealed), identity=identity)
        assert opened == b"swordfish"
        for path in (self.URL, f"{self.URL}{row.pk}/change/"):
            assert b"swordfish" not in client.get(path).content
        assert AuditEntry.objects.get().action == "add_credential"
        assert "swordfish" not in str(AuditEntry.objects.values())

    def test_a_secret_beside_an_error_is_not_sent_back(self, client: Client) -> None:
        given = {"name": "-", "kind": "secret", "secret": "swordfish"}
        answer = client.post(f"{self.URL}add/", given)
        assert (answer.status_code, b"swordfish" in answer.content) == (200, False)

    def test_a_key_may_come_as_a_file_and_shows_its_public_half(self, client: Client) -> None:
        file = SimpleUploadedFile("id_ed25519", private_key().encode())
        given = {"name": "fleet", "kind": "ssh_key", "file": file}
        assert client.post(f"{self.URL}add/", given).status_code == 302
        assert Credential.objects.get().public.startswith("ssh-ed25519 ")
        assert "SHA256:" in text(client.get(self.URL))

    @pytest.mark.parametrize(
        ("secret", "said"),
        [("hello", "not a private key"), (private_key("x"), "passphrase"), ("", "is empty")],
        ids=["garbage", "passphrase", "nothing"],
    )
    def test_what_is_no_key_is_refused_with_a_remedy(
        self, client: Client, secret: str, said: str
    ) -> None:
        given = {"name": "fleet", "kind": "ssh_key", "secret": secret}
        assert said in errors(client.post(f"{self.URL}add/", given))["secret"][0]

    def test_saved_without_a_secret_it_keeps_the_one_it_has(self, client: Client) -> None:
        client.post(f"{self.URL}add/", {"name": "rcon", "kind": "secret", "secret": "swordfish"})
        row = Credential.objects.get()
        client.post(f"{self.URL}{row.pk}/change/", {"secret": ""})
        assert Credential.objects.get().digest == row.digest
        client.post(f"{self.URL}{row.pk}/change/", {"secret": "another"})
        assert Credential.objects.get().digest != row.digest


class TestReleases:
    def test_one_without_a_job_can_be_taken_away(self, client: Client, squid: Game) -> None:
        release = factories.release(squid)
        client.post(f"/admin/deploy_tasks/release/{release.pk}/delete/", {"post": "yes"})
        assert not Release.objects.exists()
        assert AuditEntry.objects.get().action == "remove_release"

    def test_one_that_a_job_used_stays(self, client: Client, squid: Game) -> None:
        release = factories.job(squid).release
        client.post(f"/admin/deploy_tasks/release/{release.pk}/delete/", {"post": "yes"})
        assert Release.objects.exists()


class TestPeople:
    def test_a_user_is_added_with_roles(self, client: Client, squid: Game) -> None:
        given = {
            "username": "olga",
            "password1": "correct horse 7",
            "password2": "correct horse 7",
            "usable_password": "true",
            "grants-TOTAL_FORMS": 1,
            "grants-INITIAL_FORMS": 0,
            "grants-0-game": squid.pk,
            "grants-0-role": "operator",
        }
        answer = client.post("/admin/auth/user/add/", given)
        assert answer.status_code == 302, errors(answer)
        grant = Grant.objects.get(user__username="olga")
        assert (grant.game, grant.role) == (squid, Role.OPERATOR)
        entry = AuditEntry.objects.get()
        assert entry.action == "add_user"
        assert entry.details["after"]["1."] == "olga operator squid"
        assert "correct horse" not in str(entry.details)

    def test_two_roles_for_all_games_are_refused_in_words(self, client: Client) -> None:
        user = person("olga")
        given = {
            "username": "olga",
            "is_active": "on",
            "grants-TOTAL_FORMS": 2,
            "grants-INITIAL_FORMS": 0,
            "grants-0-role": "operator",
            "grants-1-role": "viewer",
        }
        answer = client.post(f"/admin/auth/user/{user.pk}/change/", given)
        assert "Give one role for a game" in text(answer)
        assert not Grant.objects.filter(user=user).exists()

    def test_a_change_is_written_down_in_words(self, client: Client) -> None:
        user = person("olga")
        given = {"username": "olga", "grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0}
        client.post(f"/admin/auth/user/{user.pk}/change/", given)
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.object) == ("change_user", "olga")
        assert entry.details["what"] == "Changed Active."
        assert (entry.details["before"], entry.details["after"]) == (
            {"is_active": True},
            {"is_active": False},
        )
        history = client.get(f"/admin/auth/user/{user.pk}/history/", follow=True)
        assert "change_user" in text(history)

    def test_a_token_can_be_taken_away(self, client: Client) -> None:
        token = ApiToken.objects.create(user=person("bot"), digest="d" * 64)
        client.post(f"/admin/webapp/apitoken/{token.pk}/delete/", {"post": "yes"})
        assert not ApiToken.objects.exists()


class TestImport:
    FILE = """\
credentials:
  - {name: fleet, private_key_file: keys/fleet}
games:
  - {name: squid, recipe: custom-script}
hosts:
  - {name: eu-1, game: squid, address: 10.0.0.1, user: game, credential: fleet,
     vars: {script: /srv/update}}
"""

    def send(self, client: Client, inventory: str, **others: str) -> Any:
        given: dict[str, Any] = {
            "inventory": SimpleUploadedFile("inventory.yml", inventory.encode()),
            "others": [SimpleUploadedFile(name, said.encode()) for name, said in others.items()],
        }
        return client.post("/admin/import/", given)

    def test_an_inventory_is_taken_with_the_files_it_names(self, client: Client) -> None:
        answer = self.send(client, self.FILE, fleet=private_key())
        assert "hosts: 1 created" in text(answer)
        assert Host.objects.get().credential.public.startswith("ssh-ed25519")
        assert AuditEntry.objects.get().actor_name == "anna"

    def test_everything_wrong_is_told_with_its_line_and_nothing_is_taken(
        self, client: Client
    ) -> None:
        answer = self.send(client, self.FILE.replace("10.0.0.1", "'game@10.0.0.1'"), other="x")
        assert answer.status_code == 422
        told = text(answer)
        assert "inventory.yml:2" in told
        assert "choose the file fleet as well" in told
        assert "inventory.yml:6 hosts[0].address" in told
        assert not Game.objects.exists()

    def test_two_files_of_one_name_are_refused(self, client: Client) -> None:
        given = {
            "inventory": SimpleUploadedFile("inventory.yml", self.FILE.encode()),
            "others": [SimpleUploadedFile("fleet", b"1"), SimpleUploadedFile("fleet", b"2")],
        }
        assert "two files are called fleet" in text(client.post("/admin/import/", given))
