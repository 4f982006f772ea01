"""What is wrong with an inventory file: the line, the field, a remedy; and nothing is taken."""

import os
from pathlib import Path

import pytest
from pytest_django import Settings

from deploy_tasks import inventory
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.models import Credential, Game, Host, RecipeRevision, Release
from tests.ssh_keys import host_key, private_key

pytestmark = pytest.mark.django_db

OWN = """\
recipe: own
vars:
  root: {type: path, required: true}
  rcon: {type: secret}
  build: {type: version}
steps: [{name: s, run: ./update}]
"""


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path / "home"
    settings.PRIVATE_KEYS = settings.HOME / "private"
    settings.ARTIFACTS = settings.HOME / "artifacts"
    settings.VARIABLE = {}.get
    for name, content in {
        "keys/fleet": private_key(),
        "keys/locked": private_key("secret"),
        "keys/garbage": "no key",
        "keys/empty": "\n",
        "own.yml": OWN,
        "own2.yml": OWN.replace("./update", "./other"),
        "broken.yml": "recipe: broken\nsteps:\n- {name: s, rum: x}\n",
        "build.tar.gz": "an archive",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


def findings(folder: Path, text: str) -> list[InvalidInput]:
    path = folder / "inventory.yml"
    path.write_text(text)
    with pytest.raises(InvalidInputs) as refusal:
        inventory.import_file(path, by=None)
    assert not any(
        model.objects.exists() for model in (Credential, Game, RecipeRevision, Release, Host)
    )
    return refusal.value.findings


def told(folder: Path, text: str, line: int, field: str | None) -> str:
    """The message of the only finding."""
    (only,) = findings(folder, text)
    assert (only.file, only.line, only.field) == (str(folder / "inventory.yml"), line, field)
    return only.message


CREDENTIALS = "credentials:\n- {name: fleet, private_key_file: keys/fleet}\n"
GAMES = f"{CREDENTIALS}games:\n- {{name: own, recipe: own.yml}}\n"
HOST = "name: a, game: own, address: h, user: u, credential: fleet, vars: {root: /srv}"


def host(folder: Path, keys: str, field: str) -> str:
    """The message about a host that has these keys as well; a key given again is replaced."""
    kept = HOST
    for key in ("name", "game", "address", "user", "credential"):
        if f"{key}: " in keys.replace("vars: {", ""):
            kept = ", ".join(part for part in kept.split(", ") if not part.startswith(f"{key}:"))
    if "vars" in keys:
        kept = kept.split(", vars")[0]
    return told(folder, f"{GAMES}hosts:\n- {{{kept}, {keys}}}\n", 6, field)


class TestFile:
    @pytest.mark.parametrize(
        ("text", "line", "field", "words"),
        [
            ("", 1, None, "empty"),
            ("- a\n", 1, None, "credentials, games, releases, hosts"),
            ("hosts: 5\n", 1, "hosts", "must be a list"),
            ("hosts:\n  name: a\n", 2, "hosts", "must be a list"),
            ("hosts:\n- a\n", 2, "hosts[0]", "must be a mapping"),
            ("hosts: []\nhost: []\n", 2, "host", "unknown key"),
            ("hosts:\n\t- name: a\n", 2, None, "indented with a tab"),
            ("hosts: []\nhosts: []\n", 2, "hosts", "given before, on line 1"),
            ("hosts: [{name: &a b}]\n", 1, "hosts[0].name", "anchors"),
        ],
    )
    def test_a_file_that_is_none(
        self, folder: Path, text: str, line: int, field: str, words: str
    ) -> None:
        assert words in told(folder, text, line, field)

    def test_everything_wrong_is_told_at_once_in_the_order_of_the_lines(self, folder: Path) -> None:
        text = f"""\
credentials:
- {{name: fleet, private_key_file: keys/none}}
games:
- {{name: own, recipe: nowhere}}
releases:
- {{game: own, version: 1.10}}
hosts:
- {{{HOST}}}
- {{{HOST.replace("name: a", "name: -b")}, port: 0}}
- {{{HOST.replace("own", "other")}}}
"""
        found = [(one.line, one.field) for one in findings(folder, text)]
        assert found == [
            (2, "credentials[0].private_key_file"),
            (4, "games[0].recipe"),
            (6, "releases[0].version"),
            (9, "hosts[1].name"),
            (9, "hosts[1].port"),
            (10, "hosts[2].name"),
            (10, "hosts[2].game"),
        ]


class TestCredentials:
    @pytest.mark.parametrize(
        ("keys", "key", "words"),
        [
            ("private_key_file: keys/none", ".private_key_file", "there is no file"),
            ("private_key_file: keys", ".private_key_file", "Is a directory"),
            ("private_key_file: keys/garbage", ".private_key_file", "not a private key"),
            ("private_key_file: keys/locked", ".private_key_file", "give it as well"),
            ("private_key_file: ''", ".private_key_file", "must not be empty"),
            ("secret: {env: RCON}", ".secret", "RCON is not set; set it"),
            ("secret: {file: keys/none}", ".secret", "there is no file"),
            ("secret: {file: keys/empty}", ".secret", "empty"),
            ("secret: {}", ".secret", "must name one source"),
            ("secret: {env: A, file: b}", ".secret", "must name one source"),
            ("secret: hunter2", ".secret", "must be a mapping"),
            (
                "private_key_file: keys/fleet, secret: {env: A}",
                "",
                "a private_key_file, an agent or",
            ),
            ("private_key: x, secret: {file: keys/garbage}", ".private_key", "private_key_file"),
        ],
    )
    def test_a_credential_that_cannot_be(
        self, folder: Path, keys: str, key: str, words: str
    ) -> None:
        text = f"credentials:\n- {{name: c, {keys}}}\n"
        assert words in told(folder, text, 2, f"credentials[0]{key}")

    def test_no_secret_is_in_a_finding(self, folder: Path) -> None:
        (folder / "keys" / "garbage").write_text("hunter2")
        text = "credentials:\n- {name: c, private_key_file: keys/garbage}\n"
        assert "hunter2" not in told(folder, text, 2, "credentials[0].private_key_file")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_a_key_file_that_may_not_be_read(self, folder: Path) -> None:
        (folder / "keys" / "fleet").chmod(0)
        assert "Permission denied" in told(
            folder, CREDENTIALS, 2, "credentials[0].private_key_file"
        )

    def test_a_name_keeps_its_kind(self, folder: Path) -> None:
        path = folder / "inventory.yml"
        path.write_text(CREDENTIALS)
        inventory.import_file(path, by=None)
        path.write_text("credentials: [{name: fleet, secret: {file: keys/garbage}}]\n")
        with pytest.raises(InvalidInputs, match=r"another kind \(SSH key\)"):
            inventory.import_file(path, by=None)


class TestGames:
    @pytest.mark.parametrize(
        ("keys", "key", "words"),
        [
            ("recipe: nowhere", ".recipe", "no recipe “nowhere”; name a shipped one"),
            ("recipe: ./none.yml", ".recipe", "there is no file"),
            ("recipe: own.yml, vars: {rot: /srv}", ".vars.rot", "its vars are: root"),
            ("recipe: own.yml, vars: {root: srv}", ".vars.root", "absolute"),
            ("recipe: own.yml, vars: {rcon: nobody}", ".vars.rcon", "no credential “nobody”"),
            ("vars: {}", ".recipe", "is required"),
        ],
    )
    def test_a_game_that_cannot_be(self, folder: Path, keys: str, key: str, words: str) -> None:
        assert words in told(folder, f"games:\n- {{name: g, {keys}}}\n", 2, f"games[0]{key}")

    def test_a_broken_recipe_is_told_with_its_own_file_and_line(self, folder: Path) -> None:
        (only,) = findings(folder, "games: [{name: g, recipe: broken.yml}]\n")
        told = f"{folder / 'broken.yml'}:3: steps[0].rum: unknown key; did you mean “run”?"
        assert str(only) == told

    def test_two_recipes_of_one_name(self, folder: Path) -> None:
        text = "games:\n- {name: a, recipe: own.yml}\n- {name: b, recipe: own2.yml}\n"
        assert "another recipe of the name own" in told(folder, text, 3, "games[1].recipe")


class TestReleases:
    @pytest.mark.parametrize(
        ("keys", "key", "words"),
        [
            ("version: 1.10", ".version", 'write it in quotes: "1.10"'),
            ("version: 1", ".version", 'write it in quotes: "1"'),
            ("version: 1.0/x", ".version", "A name has"),
            ("version: a, artifact: none.tar.gz", ".artifact", "there is no file"),
            ("version: a, artifact: keys", ".artifact", "there is no file"),
            (f"version: a, artifact: build.tar.gz, sha256: {'a' * 64}", ".artifact", "another"),
            ("version: a, artifact: build.tar.gz, sha256: abc", ".sha256", "64 hexadecimal"),
            (f"version: a, sha256: {'a' * 64}", "", "a sha256 without an artifact"),
            ("version: a, url: x", ".url", "unknown key"),
        ],
    )
    def test_a_release_that_cannot_be(self, folder: Path, keys: str, key: str, words: str) -> None:
        text = f"{GAMES}releases:\n- {{game: own, {keys}}}\n"
        assert words in told(folder, text, 6, f"releases[0]{key}")

    def test_a_release_of_an_unknown_game(self, folder: Path) -> None:
        text = f"{GAMES}releases:\n- {{game: other, version: a}}\n"
        assert "add it under games" in told(folder, text, 6, "releases[0].game")

    def test_a_release_without_the_artifact_that_its_recipe_uploads(self, folder: Path) -> None:
        text = (
            f"{GAMES}- {{name: s, recipe: symlink-release}}\nreleases:\n- {{game: s, version: a}}\n"
        )
        assert "symlink-release uploads an artifact" in told(folder, text, 7, "releases[0]")


class TestHosts:
    @pytest.mark.parametrize(
        ("keys", "key", "words"),
        [
            ("name: -rf", "name", "begins with a letter or a digit"),
            ("name: a b", "name", "A name has"),
            ("address: -oProxyCommand=x", "address", "a host name or an IP address"),
            ("address: me@h", "address", "without user"),
            ("address: 'h:22'", "address", "port"),
            ("address: '[::1]'", "address", "brackets"),
            ("address: a..b", "address", "a host name or an IP address"),
            ("address: ''", "address", "a host name or an IP address"),
            ("address: 10.1", "address", 'in quotes: "10.1"'),
            ("user: -l", "user", "name of a user"),
            ("port: 0", "port", "at least 1"),
            ("port: 65536", "port", "at most 65535"),
            ("port: '22'", "port", "without quotes"),
            ("port: ssh", "port", "whole number"),
            ("game: other", "game", "no game “other”; add it under games"),
            ("credential: other", "credential", "no credential “other”; add it under"),
            ("via: other", "via", "no host “other” to go through; add it under hosts"),
            ("via: a", "via", "in a circle: a → a"),
            ("host_key: ''", "host_key", "ssh-ed25519 AAAA…"),
            ("host_key: 5", "host_key", "ssh-ed25519 AAAA…"),
            ("host_key: []", "host_key", "is empty"),
            ("host_key: SHA256:abc", "host_key", "ssh-ed25519 AAAA…"),
            ("host_key: ssh-ed25519 AAAA", "host_key", "ssh-ed25519"),
            ("host_key: ssh-dss AAAA", "host_key", "not supported"),
            (f"host_key: ['{host_key(1)}', no]", "host_key", "ssh-ed25519 AAAA…"),
            ("labels: {shard: 1}", "labels.shard", 'in quotes: "1"'),
            ("labels: {on: x}", "labels", 'in quotes: "on"'),
            ("labels: {-a: x}", "labels.-a", "A name has"),
            ("labels: [eu]", "labels", "must be a mapping"),
            ("machine: box 7", "machine", "A name has"),
            ("adress: h", "adress", "did you mean “address”?"),
            ("vars: {}", "vars.root", "the recipe own needs this var (path)"),
            ("vars: {root: ../srv}", "vars.root", "absolute"),
            ("vars: {root: /srv, port: 1}", "vars.port", "has no such var"),
            ("vars: {root: /srv, build: 1.10}", "vars.build", 'in quotes: "1.10"'),
            ("vars: {root: /srv, rcon: other}", "vars.rcon", "no credential “other”"),
            ("vars: {root: /srv, rcon: fleet}", "vars.rcon", "needed here: secret"),
        ],
    )
    def test_a_host_that_cannot_be(self, folder: Path, keys: str, key: str, words: str) -> None:
        assert words in host(folder, keys, f"hosts[0].{key}")

    def test_a_log_in_needs_an_ssh_key(self, folder: Path) -> None:
        text = GAMES.replace("private_key_file: keys/fleet", "secret: {file: keys/garbage}")
        message = told(folder, f"{text}hosts:\n- {{{HOST}}}\n", 6, "hosts[0].credential")
        assert "needed here: SSH key" in message

    @pytest.mark.parametrize("key", ["name", "game", "address", "user", "credential"])
    def test_a_host_that_lacks_something(self, folder: Path, key: str) -> None:
        kept = ", ".join(part for part in HOST.split(", ") if not part.startswith(f"{key}:"))
        text = f"{GAMES}hosts:\n- {{{kept}}}\n"
        assert told(folder, text, 6, f"hosts[0].{key}") == "is required"

    def test_two_hosts_of_one_name(self, folder: Path) -> None:
        text = f"{GAMES}hosts:\n- {{{HOST}}}\n- {{{HOST}}}\n"
        message = told(folder, text, 7, "hosts[1].name")
        assert "“a” is given twice, first on line 6" in message

    def test_a_circle_of_jump_hosts_is_told_once(self, folder: Path) -> None:
        hosts = "".join(
            f"- {{{HOST.replace('name: a', f'name: {name}')}, via: {via}}}\n"
            for name, via in (("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"))
        )
        message = told(folder, f"{GAMES}hosts:\n{hosts}", 7, "hosts[1].via")
        assert "a → b → c → a" in message

    def test_a_circle_through_what_is_there_already(self, folder: Path) -> None:
        path = folder / "inventory.yml"
        second = HOST.replace("name: a", "name: b")
        path.write_text(f"{GAMES}hosts:\n- {{{HOST}}}\n- {{{second}, via: a}}\n")
        inventory.import_file(path, by=None)
        path.write_text(f"hosts:\n- {{{HOST}, via: b}}\n")
        with pytest.raises(InvalidInputs, match="a → b → a"):
            inventory.import_file(path, by=None)

    def test_a_host_is_not_blamed_for_what_its_credential_or_game_does_wrong(
        self, folder: Path
    ) -> None:
        text = GAMES.replace("keys/fleet", "keys/none").replace("own.yml", "none.yml")
        fields = [found.field for found in findings(folder, f"{text}hosts:\n- {{{HOST}}}\n")]
        assert fields == ["credentials[0].private_key_file", "games[0].recipe"]

    def test_vars_that_are_kept_are_checked_against_the_new_recipe(self, folder: Path) -> None:
        path = folder / "inventory.yml"
        path.write_text(f"{GAMES}hosts:\n- {{{HOST}}}\n")
        inventory.import_file(path, by=None)
        kept = HOST.split(", vars")[0]
        path.write_text(f"games: [{{name: own, recipe: custom-script}}]\nhosts:\n- {{{kept}}}\n")
        with pytest.raises(InvalidInputs) as refusal:
            inventory.import_file(path, by=None)
        fields = [found.field for found in refusal.value.findings]
        assert fields == ["hosts[0].vars.root", "hosts[0].vars.script"]
