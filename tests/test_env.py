"""What a person may set, and the sentence they get when it cannot be used."""

import re
from pathlib import Path

import pytest

from webapp import env

EXAMPLE = (env.BASE / "deploy" / "env.example").read_text()


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in env.Env.model_fields:
        monkeypatch.delenv(f"PATCHWAVE_{field}".upper(), raising=False)


@pytest.mark.parametrize("field", env.Env.model_fields)
def test_every_setting_stands_in_the_example_file(field: str) -> None:
    assert re.search(rf"^#PATCHWAVE_{field.upper()}=", EXAMPLE, re.MULTILINE)


def test_the_example_file_names_no_setting_that_is_gone() -> None:
    named = {name.lower() for name in re.findall(r"^#PATCHWAVE_(\w+)=", EXAMPLE, re.MULTILINE)}
    assert named == set(env.Env.model_fields)


def test_the_example_file_can_be_used_as_it_is_with_every_line_set(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(EXAMPLE.replace("\n#PATCHWAVE", "\nPATCHWAVE"))
    assert env.read(file).port == 8000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATCHWAVE_PORT", "eighty"),
        ("PATCHWAVE_PORT", "70000"),
        ("PATCHWAVE_URL", "patchwave.example"),
        ("PATCHWAVE_URL", "https://patchwave.example/sub"),
        ("PATCHWAVE_URL", "https://patchwave.example?next=1"),
        ("PATCHWAVE_URL", "https://me@patchwave.example"),
        ("PATCHWAVE_URL", "https://patchwave.example:https"),
        ("PATCHWAVE_HOME", "~nobody-of-that-name/var"),
        ("PATCHWAVE_DATABASE_URL", "postgresql://me:x@db:99999/patchwave"),
        ("PATCHWAVE_SESSION_DAYS", "1e300"),
        ("PATCHWAVE_KEEP_OUTPUT_DAYS", "10000000000"),
        ("PATCHWAVE_REDIS_URL", "redis://127.0.0.1:6379/3"),
        ("PATCHWAVE_REDIS_URL", "amqp://127.0.0.1"),
        ("PATCHWAVE_BROKER_URL", "redis://127.0.0.1"),
        ("PATCHWAVE_BROKER_URL", "amqp://"),
        ("PATCHWAVE_DATABASE_URL", "mysql://127.0.0.1/patchwave"),
        ("PATCHWAVE_ALLOWED_HOSTS", "https://patchwave.example"),
        ("PATCHWAVE_WORKER_THREADS", "0"),
        ("PATCHWAVE_PROGRAMS", "web,wroker"),
        ("PATCHWAVE_SECOND_FACTOR", "always"),
        ("PATCHWAVE_OIDC_ISSUER", "http://login.example"),
        ("PATCHWAVE_OIDC_GROUPS", "fleet-admins"),
    ],
)
def test_a_value_that_cannot_be_used_ends_in_one_sentence_that_names_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=rf"^{name}: .+") as ending:
        env.read(tmp_path / "none")
    assert "\n" not in str(ending.value)


def test_a_password_is_not_repeated_in_the_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for url in ("mysql://me:hunter2@db/patchwave", "postgresql://me:hunter2/3@db/patchwave"):
        monkeypatch.setenv("PATCHWAVE_DATABASE_URL", url)
        with pytest.raises(SystemExit) as ending:
            env.read(tmp_path / "none")
        assert "hunter2" not in str(ending.value)


def test_an_env_file_that_was_named_must_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATCHWAVE_ENV_FILE", str(tmp_path / "tyop"))
    with pytest.raises(SystemExit, match=r"^PATCHWAVE_ENV_FILE: there is no file .*tyop$"):
        env.env_file()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("PATCHWAVE_PORT 8080", "NAME=value"),
        ("PATCHWAVE_PROT=8080", "PATCHWAVE_PROT is no setting"),
    ],
)
def test_a_broken_line_of_the_env_file_is_named_by_its_number(
    line: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# mine\n\n{line}\n")
    with pytest.raises(SystemExit, match=rf"{file}:3: .*{says}"):
        env.read(file)


def test_an_env_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SystemExit, match="cannot be read"):
        env.read(tmp_path / ".env")


def test_the_environment_wins_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PATCHWAVE_PORT=8001\nPATCHWAVE_BIND=127.0.0.2\n")
    monkeypatch.setenv("PATCHWAVE_PORT", "8002")
    read = env.read(tmp_path / ".env")
    assert (read.port, read.bind) == (8002, "127.0.0.2")


def test_a_relative_home_starts_at_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATCHWAVE_HOME", "var/other")
    assert env.read(tmp_path / "none").home == env.BASE / "var" / "other"


def test_sockets_of_a_home_with_a_long_path_have_a_short_one(tmp_path: Path) -> None:
    deep = env.Env(home=tmp_path / ("long" * 30))
    assert len(str(deep.run_dir)) <= env.LONGEST_RUN_DIR
    assert deep.run_dir == env.Env(home=deep.home).run_dir
    assert deep.run_dir != env.Env(home=deep.home / "other").run_dir


@pytest.mark.parametrize(
    ("given", "site"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"bind": "::1", "port": 8001}, "http://[::1]:8001"),
        ({"bind": "0.0.0.0", "allowed_hosts": "pw.example, b"}, "http://pw.example:8000"),
        ({"url": "https://pw.example/"}, "https://pw.example"),
    ],
)
def test_the_site_follows_what_is_listened_on_unless_it_is_given(
    given: dict[str, str], site: str, tmp_path: Path
) -> None:
    assert env.Env(home=tmp_path, **given).site == site


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, []),
        ({"allowed_hosts": "a, b"}, ["a", "b"]),
        ({"url": "https://pw.example:8443"}, ["pw.example"]),
        ({"url": "https://pw.example", "allowed_hosts": "pw.example"}, ["pw.example"]),
        ({"url": "https://[2001:db8::1]", "allowed_hosts": "a"}, ["a", "[2001:db8::1]"]),
    ],
)
def test_the_site_answers_to_the_name_in_its_address(
    given: dict[str, str], names: list[str]
) -> None:
    assert env.Env(**given).names == names


def test_programs_find_the_port_that_the_instance_of_their_home_listens_on(tmp_path: Path) -> None:
    here = env.Env(home=tmp_path)
    here.run_dir.mkdir()
    (here.run_dir / "url").write_text("http://127.0.0.1:8123\n")
    assert here.site == "http://127.0.0.1:8123"


def test_a_providers_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (secret := tmp_path / "secret").write_text("known to both\n")
    assert env.Env(oidc_client_secret_file=secret).oidc_secret == "known to both"
    with pytest.raises(SystemExit, match="PATCHWAVE_OIDC_CLIENT_SECRET_FILE"):
        _ = env.Env(oidc_client_secret_file=tmp_path / "none").oidc_secret
