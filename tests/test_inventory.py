"""An inventory file that is in order becomes rows, again and again."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from deploy_tasks import artifacts, inventory, recipes, ssh, vault
from deploy_tasks.errors import InvalidInputs
from deploy_tasks.inventory import Changes
from deploy_tasks.models import (
    AuditEntry,
    Credential,
    Game,
    Host,
    HostKey,
    Machine,
    Recipe,
    RecipeRevision,
    Release,
)
from tests import factories
from tests.ssh_keys import host_key, private_key

pytestmark = pytest.mark.django_db

FILE = """\
credentials:
  - {name: fleet, private_key_file: keys/fleet}
  - {name: rcon-eu, secret: {env: RCON_EU}}
games:
  - {name: squid, recipe: symlink-release, vars: {min_free_mb: 10}}
  - {name: own, recipe: recipes/own.yml}
releases:
  - {game: squid, version: "1.11.0", artifact: builds/fs.tar.gz}
  - {game: own, version: "1.10"}
hosts:
  - name: bastion
    game: own
    address: bastion.example
    user: ops
    credential: fleet
  - name: eu-1
    game: squid
    address: 127.1.0.1
    port: 2222
    user: game
    credential: fleet
    host_key: KEY_1
    labels: {region: eu, shard: a}
    machine: box-7
    via: bastion
    vars: {root: /srv/game, port: "25565"}
"""
MODELS = (
    *(Credential, Game, Recipe, RecipeRevision, Release),
    *(Host, HostKey, Machine, AuditEntry),
)
OWN = "recipe: own\nvars: {rcon: {type: secret}}\nsteps: [{name: s, run: ./update}]\n"


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """The inventory file and what it names; and an instance of its own."""
    settings.HOME = tmp_path / "home"
    settings.PRIVATE_KEYS = settings.HOME / "private"
    settings.ARTIFACTS = settings.HOME / "artifacts"
    settings.VARIABLE = {"RCON_EU": "hunter2"}.get
    for name, content in {
        "keys/fleet": private_key(),
        "keys/rcon": "hunter3\n",
        "recipes/own.yml": OWN,
        "builds/fs.tar.gz": "an archive",
        "inventory.yml": FILE.replace("KEY_1", host_key(1)),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.fixture
def by() -> User:
    return factories.user("anna")


def take(folder: Path, text: str | None = None, **options: Any) -> Changes:
    path = folder / "inventory.yml"
    if text is not None:
        path.write_text(text)
    return inventory.import_file(path, **({"by": None} | options))


def changed(folder: Path, old: str, new: str, **options: Any) -> Changes:
    """Import the file with one thing in it changed."""
    text = (folder / "inventory.yml").read_text()
    assert old in text
    return take(folder, text.replace(old, new), **options)


def refused(folder: Path, old: str, new: str, **options: Any) -> str:
    with pytest.raises(InvalidInputs) as refusal:
        changed(folder, old, new, **options)
    return str(refusal.value)


def entry(**more: Any) -> dict[str, Any]:
    given = {"name": "us-1", "game": "own", "address": "10.0.0.1", "user": "game"}
    return given | {"credential": "fleet"} | more


class TestFile:
    def test_everything_it_names_is_there_afterwards(self, folder: Path) -> None:
        take(folder)
        host = Host.objects.get(name="eu-1")
        assert (host.game.name, host.address, host.port) == ("squid", "127.1.0.1", 2222)
        assert (host.user, host.credential.name) == ("game", "fleet")
        assert (host.labels, host.vars) == (
            {"region": "eu", "shard": "a"},
            {"root": "/srv/game", "port": "25565"},
        )
        assert host.machine is not None
        assert host.via is not None
        assert (host.machine.name, host.via.name) == ("box-7", "bastion")
        assert Host.objects.get(name="bastion").port == 22
        assert Game.objects.get(name="squid").vars == {"min_free_mb": 10}

    def test_a_host_key_in_the_file_is_pinned(self, folder: Path, by: User) -> None:
        take(folder, by=by)
        pinned = HostKey.objects.get()
        assert (pinned.host.name, pinned.key) == ("eu-1", host_key(1))
        assert pinned.fingerprint == ssh.fingerprint(host_key(1))
        assert pinned.approved_at is not None
        assert pinned.approved_by == by

    def test_a_line_of_a_key_scan_is_a_host_key(self, folder: Path) -> None:
        changed(folder, host_key(1), f'"127.1.0.1 {host_key(1)} root@eu-1"')
        assert HostKey.objects.get().key == host_key(1)

    def test_a_host_may_have_several_keys(self, folder: Path) -> None:
        changed(folder, host_key(1), f"[{host_key(1)}, {host_key(2)}]")
        assert set(HostKey.objects.values_list("key", flat=True)) == {host_key(1), host_key(2)}

    def test_secrets_are_sealed_and_never_shown(self, folder: Path) -> None:
        more = "  - {name: rcon-us, secret: {file: keys/rcon}}\ngames:"
        summary = str(changed(folder, "games:", more))
        for name, secret in {"rcon-eu": "hunter2", "rcon-us": "hunter3"}.items():
            row = Credential.objects.get(name=name)
            identity = vault.identity_of_credential(name)
            assert vault.open_sealed(row.key_id, row.sealed, identity=identity) == secret.encode()
            assert (row.kind, row.public) == ("secret", "")
        audit = json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))
        assert "hunter" not in summary + audit

    def test_an_ssh_key_shows_its_public_half(self, folder: Path) -> None:
        take(folder)
        row = Credential.objects.get(name="fleet")
        key = (folder / "keys" / "fleet").read_text()
        assert (row.kind, row.public) == ("ssh_key", ssh.public_half(key))

    def test_an_artifact_is_copied_to_the_store(self, folder: Path) -> None:
        take(folder)
        release = Release.objects.get(game__name="squid")
        assert (release.filename, release.size) == ("fs.tar.gz", len("an archive"))
        assert artifacts.path_of(release.sha256).read_text() == "an archive"

    def test_a_release_may_come_without_an_artifact(self, folder: Path) -> None:
        take(folder)
        release = Release.objects.get(game__name="own")
        assert (release.version, release.sha256, release.size) == ("1.10", "", 0)

    def test_recipes_are_kept_as_revisions(self, folder: Path) -> None:
        take(folder)
        revision = Game.objects.get(name="own").recipe.newest()
        assert (revision.number, revision.text) == (1, OWN)
        shipped = Game.objects.get(name="squid").recipe
        assert recipes.parse(shipped.newest().text, file="").name == "symlink-release"

    def test_a_file_may_name_only_some_of_it(self, folder: Path) -> None:
        assert str(take(folder, "games: [{name: squid, recipe: symlink-release}]\nhosts:\n"))
        assert not Host.objects.exists()

    def test_hosts_may_be_named_before_the_host_they_go_through(self, folder: Path) -> None:
        host = "{{name: {}, game: own, address: h, user: u, credential: fleet, via: {}}}"
        hosts = ", ".join(host.format(f"h{n}", f"h{n + 1}") for n in range(3))
        text = (folder / "inventory.yml").read_text().split("hosts:")[0]
        take(folder, f"{text}hosts: [{hosts}, {host.format('h3', '~')}]\n")
        ways = dict(Host.objects.values_list("name", "via__name"))
        assert ways == {"h0": "h1", "h1": "h2", "h2": "h3", "h3": None}


class TestAgain:
    def test_a_second_import_changes_nothing(self, folder: Path) -> None:
        take(folder)
        before = {model: list(model.objects.order_by("pk").values()) for model in MODELS}
        assert not take(folder).made
        assert before == {model: list(model.objects.order_by("pk").values()) for model in MODELS}

    def test_the_summary_says_what_was_done(self, folder: Path) -> None:
        assert str(take(folder)).splitlines() == [
            "credentials: 2 created, 0 changed, 0 unchanged",
            "games: 2 created, 0 changed, 0 unchanged",
            "releases: 2 created, 0 changed, 0 unchanged",
            "hosts: 2 created, 0 changed, 0 unchanged",
        ]
        summary = str(changed(folder, "127.1.0.1", "127.1.0.2"))
        assert "hosts: 0 created, 1 changed, 1 unchanged" in summary
        assert "hosts eu-1: changed (address)" in summary

    @pytest.mark.parametrize(
        ("old", "new", "what"),
        [
            ("port: 2222", "port: 2223", ("port",)),
            ("user: game", "user: squid", ("user",)),
            ("region: eu", "region: us", ("labels",)),
            ("box-7", "box-8", ("machine",)),
            ("via: bastion", "via:", ("via",)),
            ('port: "25565"', 'port: "25566"', ("vars",)),
        ],
    )
    def test_a_host_becomes_what_the_file_says(
        self, folder: Path, old: str, new: str, what: tuple[str, ...]
    ) -> None:
        take(folder)
        (change,) = changed(folder, old, new).made
        assert (change.name, change.verb, change.what) == ("eu-1", "changed", what)
        assert not take(folder).made

    def test_keys_that_the_file_leaves_out_keep_their_values(self, folder: Path) -> None:
        take(folder)
        before = Host.objects.filter(name="eu-1").values().get()
        text = (folder / "inventory.yml").read_text()
        for key in ("port: 2222", "labels", "machine", "via", "vars: {root", "host_key"):
            text = text.replace(f"    {key}", f"    #{key}")
        assert not take(folder, text).made
        assert Host.objects.filter(name="eu-1").values().get() == before

    def test_null_empties_what_may_be_empty(self, folder: Path) -> None:
        take(folder)
        changed(folder, "{region: eu, shard: a}", "")
        assert Host.objects.get(name="eu-1").labels == {}

    def test_what_the_file_does_not_name_is_left_alone(self, folder: Path) -> None:
        take(folder)
        take(folder, "hosts: []\n")
        assert (Host.objects.count(), Game.objects.count(), Credential.objects.count()) == (2, 2, 2)

    def test_a_changed_secret_is_sealed_anew(self, folder: Path, settings: Settings) -> None:
        take(folder)
        settings.VARIABLE = {"RCON_EU": "hunter4"}.get
        (change,) = take(folder).made
        assert str(change) == "credentials rcon-eu: changed (secret)"
        row = Credential.objects.get(name="rcon-eu")
        identity = vault.identity_of_credential("rcon-eu")
        assert vault.open_sealed(row.key_id, row.sealed, identity=identity) == b"hunter4"

    def test_a_changed_recipe_is_a_new_revision(self, folder: Path) -> None:
        take(folder)
        (folder / "recipes" / "own.yml").write_text(OWN.replace("./update", "./update2"))
        (change,) = take(folder).made
        assert str(change) == "games own: changed (recipe)"
        assert Game.objects.get(name="own").recipe.newest().number == 2

    def test_a_recipe_that_is_known_can_be_named(self, folder: Path) -> None:
        take(folder)
        take(folder, "games: [{name: other, recipe: own}]\n")
        assert Game.objects.get(name="other").recipe.name == "own"

    def test_it_is_written_to_the_audit_once(self, folder: Path, by: User) -> None:
        take(folder, by=by)
        take(folder, by=by)
        written = AuditEntry.objects.get()
        assert (written.actor, written.actor_name, written.action) == (by, "anna", "import")
        assert written.object == str(folder / "inventory.yml")
        assert written.details["counts"]["hosts"]["created"] == 2


class TestPinnedKeys:
    def test_a_pinned_key_is_not_changed_by_an_import(self, folder: Path) -> None:
        take(folder)
        told = refused(folder, host_key(1), host_key(2))
        assert "inventory.yml:22: hosts[1].host_key" in told
        assert ssh.fingerprint(host_key(1)) in told
        assert ssh.fingerprint(host_key(2)) in told
        assert "--replace-host-keys" in told
        assert HostKey.objects.get().key == host_key(1)

    def test_nor_is_another_added_to_it(self, folder: Path) -> None:
        take(folder)
        assert "another key is pinned" in refused(
            folder, host_key(1), f"[{host_key(1)}, {host_key(2)}]"
        )

    def test_it_is_replaced_when_that_is_wanted_and_audited(self, folder: Path, by: User) -> None:
        take(folder)
        changes = changed(folder, host_key(1), host_key(2), by=by, replace_host_keys=True)
        assert str(changes.made[0]) == "hosts eu-1: changed (host_key)"
        assert HostKey.objects.get().key == host_key(2)
        written = AuditEntry.objects.get(action="replace_host_keys")
        assert (written.actor, written.object) == (by, "eu-1")
        assert written.details == {
            "before": {"host_key": [ssh.fingerprint(host_key(1))]},
            "after": {"host_key": [ssh.fingerprint(host_key(2))]},
        }

    def test_a_key_that_was_only_seen_is_pinned_by_the_file(self, folder: Path) -> None:
        changed(folder, "    host_key", "    #host_key")
        host = Host.objects.get(name="eu-1")
        for n in (1, 2):
            prints = ssh.fingerprint(host_key(n))
            HostKey.objects.create(host=host, key=host_key(n), fingerprint=prints)
        changed(folder, "    #host_key", "    host_key")
        assert host.keys.get(approved_at__isnull=False).key == host_key(1)
        assert host.keys.get(approved_at__isnull=True).key == host_key(2)


class TestReleases:
    def test_a_release_never_gets_another_content(self, folder: Path) -> None:
        take(folder)
        (folder / "builds" / "fs.tar.gz").write_text("another archive")
        with pytest.raises(InvalidInputs, match=r"squid 1\.11\.0 has the SHA-256 .* never changes"):
            take(folder)

    def test_nor_one_if_it_had_none(self, folder: Path) -> None:
        take(folder)
        told = refused(folder, 'version: "1.10"', 'version: "1.10", artifact: builds/fs.tar.gz')
        assert "never changes" in told

    def test_a_sha256_that_is_given_must_be_right(self, folder: Path) -> None:
        sha256, _size = artifacts.measure(folder / "builds" / "fs.tar.gz")
        changed(folder, "builds/fs.tar.gz", f"builds/fs.tar.gz, sha256: {sha256.upper()}")
        assert Release.objects.get(game__name="squid").sha256 == sha256

    def test_an_artifact_that_changes_during_the_import_is_noticed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(artifacts, "measure", lambda path: ("a" * 64, 12))
        with pytest.raises(InvalidInputs, match="was changed during the import; import again"):
            take(folder)
        assert not Release.objects.exists()

    def test_a_refused_import_leaves_nothing_in_the_store(
        self, folder: Path, settings: Settings
    ) -> None:
        refused(folder, "via: bastion", "via: nobody")
        assert not settings.ARTIFACTS.exists()


class TestManyHosts:
    def hosts(self, count: int) -> str:
        lines = (
            f"  - {{name: h-{n}, game: own, address: 10.0.{n // 250}.{n % 250}, user: game,"
            f" credential: fleet, host_key: {host_key(1)}, machine: box-{n % 9}, via: bastion}}\n"
            for n in range(count)
        )
        return "hosts:\n" + "".join(lines)

    def test_more_hosts_do_not_cost_more_queries(
        self, folder: Path, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        take(folder)
        with django_assert_max_num_queries(50):
            take(folder, self.hosts(200))
        with django_assert_max_num_queries(50):
            assert not take(folder).made
        assert Host.objects.count() == 202


class TestEntry:
    @pytest.fixture(autouse=True)
    def stock(self, folder: Path) -> None:
        take(folder)

    def test_one_host_is_taken_like_one_of_a_file(self, by: User) -> None:
        host = inventory.import_entry("hosts", entry(labels={"region": "us"}), by=by)
        assert host == Host.objects.get(name="us-1")
        assert host.labels == {"region": "us"}
        assert AuditEntry.objects.get(actor=by).object == "hosts us-1"

    def test_it_may_be_there_already(self, by: User) -> None:
        inventory.import_entry("hosts", entry(labels={"region": "us"}), by=by)
        host = inventory.import_entry("hosts", entry(address="10.0.0.2", labels=None), by=by)
        assert (host.address, host.labels) == ("10.0.0.2", {})

    def test_its_errors_name_the_field_of_the_entry(self, by: User) -> None:
        with pytest.raises(InvalidInputs) as refusal:
            inventory.import_entry("hosts", entry(port=0, nmae="x", vars={"x": 1}), by=by)
        found = [(finding.field, finding.file, finding.line) for finding in refusal.value.findings]
        assert found == [("port", None, None), ("nmae", None, None)]

    def test_a_release_is_taken_with_the_file_that_came_along(self, by: User, folder: Path) -> None:
        upload = folder / "upload"
        upload.write_text("uploaded")
        given = {"game": "squid", "version": "2.0", "artifact": "fs-2.0.tar.gz"}
        release = inventory.import_entry(
            "releases", given, by=by, uploads={"fs-2.0.tar.gz": upload}
        )
        assert artifacts.path_of(release.sha256).read_text() == "uploaded"
        assert release.filename == "fs-2.0.tar.gz"

    def test_a_check_says_what_an_import_would_and_changes_nothing(self, by: User) -> None:
        rows = [model.objects.count() for model in MODELS]
        inventory.check_entry("hosts", entry())
        with pytest.raises(InvalidInputs) as refusal:
            inventory.check_entry("hosts", entry(credential="none"))
        assert [finding.field for finding in refusal.value.findings] == ["credential"]
        assert [model.objects.count() for model in MODELS] == rows

    def test_a_game_is_taken(self, by: User) -> None:
        game = inventory.import_entry("games", {"name": "x", "recipe": "custom-script"}, by=by)
        assert game.recipe.name == "custom-script"

    @pytest.mark.parametrize(
        ("kind", "given"),
        [
            ("games", {"name": "x", "recipe": "recipes/own.yml"}),
            ("games", {"name": "x", "recipe": "/etc/passwd.yml"}),
            ("credentials", {"name": "x", "private_key_file": "/etc/ssh/ssh_host_ed25519_key"}),
            ("credentials", {"name": "x", "secret": {"file": "/etc/shadow"}}),
            ("credentials", {"name": "x", "secret": {"env": "RCON_EU"}}),
        ],
    )
    def test_no_file_or_variable_of_the_server_can_be_reached(
        self, by: User, kind: Any, given: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidInputs, match="on the server itself"):
            inventory.import_entry(kind, given, by=by)

    @pytest.mark.parametrize("text", ["a\0b", "a\nb", "a\ud83d"])
    def test_no_character_gets_in_that_a_database_would_not_take(self, by: User, text: str) -> None:
        for given, field in (
            (entry(labels={"a": text}), "labels.a"),
            (entry(address=text), "address"),
            (entry(labels={text: "a"}), "labels.a"),
            (entry(vars={text: "a"}), "vars.a"),
        ):
            with pytest.raises(InvalidInputs) as refusal:
                inventory.import_entry("hosts", given, by=by)
            assert str(refusal.value.findings[0].field).startswith(field)

    @pytest.mark.parametrize(("given", "field"), [({}, "name"), ([], None), ("x", None)])
    def test_what_is_no_entry_is_refused(self, by: User, given: Any, field: str | None) -> None:
        with pytest.raises(InvalidInputs) as refusal:
            inventory.import_entry("hosts", given, by=by)
        assert refusal.value.findings[0].field == field


class TestUpload:
    @pytest.fixture
    def uploads(self, folder: Path) -> dict[str, Path]:
        """All that the inventory names, by base names, as a browser sends it."""
        vault.ensure_keys()
        named = ("inventory.yml", "keys/fleet", "recipes/own.yml", "builds/fs.tar.gz")
        path = folder / "inventory.yml"
        path.write_text(path.read_text().replace("secret: {env: RCON_EU}", "secret: {file: rcon}"))
        (folder / "rcon").write_text("swordfish")
        return {Path(name).name: folder / name for name in (*named, "rcon")}

    def test_files_are_found_by_their_base_names(self, uploads: dict[str, Path], by: User) -> None:
        changes = inventory.import_upload("inventory.yml", uploads, by=by)
        assert changes.counts()["hosts"]["created"] == 2
        assert Release.objects.get(game__name="squid").filename == "fs.tar.gz"
        assert AuditEntry.objects.get().object == "inventory.yml"

    def test_what_was_not_sent_along_is_asked_for_with_its_line(
        self, uploads: dict[str, Path], by: User
    ) -> None:
        del uploads["fleet"], uploads["fs.tar.gz"]
        with pytest.raises(InvalidInputs) as refusal:
            inventory.import_upload("inventory.yml", uploads, by=by)
        told = [(finding.file, finding.line) for finding in refusal.value.findings]
        assert told == [("inventory.yml", 2), ("inventory.yml", 8)]
        assert "choose the file fleet as well" in str(refusal.value)
        assert not Host.objects.exists()

    def test_what_is_wrong_in_a_file_is_told_by_the_name_it_was_sent_with(
        self, uploads: dict[str, Path], by: User
    ) -> None:
        sent = uploads["own.yml"] = uploads["own.yml"].rename(uploads["own.yml"].parent / "0")
        sent.write_bytes(b"recipe: own\n# caf\xe9\n")
        with pytest.raises(InvalidInputs) as refusal:
            inventory.import_upload("inventory.yml", uploads, by=by)
        (said,) = str(refusal.value).splitlines()
        assert said.startswith("inventory.yml:6: games[1].recipe: own.yml:2: this is not UTF-8")

    @pytest.mark.parametrize("named", ["/etc/passwd", "../../etc/passwd", "~/.ssh/id_ed25519"])
    def test_no_file_or_variable_of_the_server_can_be_reached(
        self, uploads: dict[str, Path], by: User, named: str
    ) -> None:
        for source in (f"private_key_file: {named}", "secret: {env: RCON_EU}"):
            uploads["inventory.yml"].write_text(f"credentials:\n  - {{name: x, {source}}}\n")
            with pytest.raises(InvalidInputs, match="on the server itself"):
                inventory.import_upload("inventory.yml", uploads, by=by)


class TestCommand:
    def test_it_prints_the_summary(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("import_inventory", str(folder / "inventory.yml"))
        assert "hosts: 2 created" in capsys.readouterr().out
        assert AuditEntry.objects.get().actor_name == "command line"

    def test_it_prints_json(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("import_inventory", str(folder / "inventory.yml"), "--json")
        assert json.loads(capsys.readouterr().out)["counts"]["hosts"]["created"] == 2

    def test_it_refuses_with_every_finding(self, folder: Path) -> None:
        text = (folder / "inventory.yml").read_text()
        path = folder / "inventory.yml"
        path.write_text(text.replace("port: 2222", "port: 0").replace("own.yml", "none.yml"))
        with pytest.raises(CommandError) as refusal:
            call_command("import_inventory", str(path))
        told = str(refusal.value).splitlines()
        assert told[0] == "Nothing was imported, 2 things are wrong:"
        assert told[1].startswith(f"{path}:6: games[1].recipe: there is no file")
        assert told[2] == f"{path}:19: hosts[1].port: must be at least 1"

    def test_a_missing_file_is_one_sentence(self, folder: Path) -> None:
        with pytest.raises(CommandError, match="there is no file"):
            call_command("import_inventory", str(folder / "none.yml"))

    def test_it_can_replace_host_keys(self, folder: Path) -> None:
        take(folder)
        path = folder / "inventory.yml"
        path.write_text(path.read_text().replace(host_key(1), host_key(2)))
        call_command("import_inventory", str(path), "--replace-host-keys")
        assert HostKey.objects.get().key == host_key(2)


def test_a_game_brings_presets_of_its_own(folder: Path) -> None:
    rollouts = "vars: {min_free_mb: 10}, rollouts: {night: {canary: {tier: test}, soak: 10m}}"
    changed(folder, "vars: {min_free_mb: 10}", rollouts)
    assert Game.objects.get(name="squid").rollouts == {
        "night": {"canary": {"tier": "test"}, "soak": 600.0}
    }
    take(folder)
    assert "night" in Game.objects.get(name="squid").rollouts, "the file does not name them"


def test_a_preset_that_cannot_be_is_refused_with_its_line(folder: Path) -> None:
    said = refused(
        folder, "vars: {min_free_mb: 10}", "rollouts: {night: {batches: [double, 5], soak: 10}}"
    )
    assert "inventory.yml:5" in said
    assert "games[0].rollouts.night.batches: how batches go on" in said
