"""What deploy/ tells other programs, as far as it can be tried without them."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.conf import settings
from django.urls import resolve

from deploy_tasks.durations import seconds
from webapp.access import Open
from webapp.env import BASE, BEFORE_FIELDS, Env

DEPLOY = BASE / "deploy"
SETTINGS = {f"PATCHWAVE_{field.upper()}" for field in Env.model_fields} | BEFORE_FIELDS
PLACES = ("/opt/patchwave", "/var/lib/patchwave", "/etc/patchwave/env")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


@pytest.mark.parametrize(
    "file", ["compose.yaml", "Containerfile", "patchwave.service", "../docs/INSTALL.md"]
)
def test_every_setting_that_is_named_is_one(file: str) -> None:
    named = set(re.findall(r"PATCHWAVE_[A-Z_]+", (DEPLOY / file).read_text()))
    assert named
    assert named <= SETTINGS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "patchwave.service"
    text = (DEPLOY / "patchwave.service").read_text()
    unit.write_text(text.replace("/opt/patchwave", str(BASE)))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_the_unit_and_its_instructions_agree_on_the_places() -> None:
    unit = (DEPLOY / "patchwave.service").read_text()
    steps = (BASE / "docs" / "INSTALL.md").read_text()
    assert "StateDirectory=patchwave\n" in unit  # that is /var/lib/patchwave
    assert all(place in steps for place in PLACES)
    assert "/opt/patchwave/bin/serve" in unit
    assert "PATCHWAVE_ENV_FILE=/etc/patchwave/env" in unit


def test_the_image_holds_all_that_the_product_needs_and_no_more(tmp_path: Path) -> None:
    image = tmp_path / "image"
    for path in sent_to_the_builder():
        (image / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BASE / path, image / path, follow_symlinks=False)
    assert not {"tests", "demo", ".git", "var", ".env"} & {path.name for path in image.iterdir()}
    environment = {
        **os.environ,
        "PYTHONPATH": str(image),
        "PATCHWAVE_HOME": str(tmp_path / "home"),
        "PATCHWAVE_ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
    }
    subprocess.run(
        [sys.executable, "-P", "manage.py", "prepare"],
        cwd=image,
        env=environment,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    for command in ("-m webapp.serve --help", "-m webapp.cli --help"):
        subprocess.run(
            [sys.executable, "-P", *command.split()],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )


def test_the_image_is_built_of_what_the_builder_is_sent() -> None:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    sources = [
        word
        for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE)
        for word in line.split()[:-1]
        if word != "."
    ]
    assert {"requirements.txt", "bin/in-venv"} == set(sources)
    assert {Path(source) for source in sources} <= sent_to_the_builder()
    (entry,) = re.findall(r'^ENTRYPOINT \["(.+)"\]$', text, re.MULTILINE)
    assert os.access(BASE / entry, os.X_OK)


def test_services_start_what_there_is_and_share_what_they_must(compose: dict[str, Any]) -> None:
    services = compose["services"]
    web, worker = services["web"], services["worker"]
    programs = [service["environment"]["PATCHWAVE_PROGRAMS"] for service in (web, worker)]
    assert sorted(",".join(programs).split(",")) == sorted(Env().runs)
    for name in ("PATCHWAVE_DATABASE_URL", "PATCHWAVE_REDIS_URL", "PATCHWAVE_URL"):
        assert web["environment"][name] == worker["environment"][name]
    volumes = [
        {volume.split(":")[0] for volume in service["volumes"] if ":" in volume}
        for service in (web, worker)
    ]
    assert volumes[0] & volumes[1] == {"artifacts", "keys"}


def test_services_refer_to_services_and_volumes_that_are_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {name for name in named if not name.startswith("/")} <= set(compose["volumes"])
        assert ":" in service["image"] or "build" in service
    shared = services["web"]["environment"]
    assert "@database:" in shared["PATCHWAVE_DATABASE_URL"]
    assert "@broker:" in shared["PATCHWAVE_REDIS_URL"]
    assert (DEPLOY / services["web"]["build"]["context"]).resolve() == BASE
    assert (BASE / services["web"]["build"]["dockerfile"]).exists()


def test_who_waits_for_a_healthy_service_can_know_whether_it_is(compose: dict[str, Any]) -> None:
    services = compose["services"]
    waited_for = {name for one in services.values() for name in one.get("depends_on", {})}
    assert waited_for == {"database", "broker"}
    for name in waited_for | {"web"}:
        check = services[name]["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert seconds(check["timeout"]) > 0
    for one in (services["web"], services["worker"]):
        assert {how["condition"] for how in one["depends_on"].values()} == {"service_healthy"}


def test_the_web_service_is_asked_where_it_answers(compose: dict[str, Any]) -> None:
    web = compose["services"]["web"]
    _cmd, program, python, _c, code = web["healthcheck"]["test"]
    assert os.access(BASE / program, os.X_OK)
    assert python == "python"
    (url,) = re.findall(r'"(http://[^"]+)"', code)
    asked = urlsplit(url)
    assert compile(code, "healthcheck", "exec")
    assert getattr(resolve(asked.path).func, "takes") is Open.ANYBODY  # noqa: B009
    (published,) = web["ports"]
    exposed = re.findall(r"^EXPOSE (\d+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    assert {str(asked.port), *published.split(":")[1:]} == set(exposed)
    assert asked.hostname in settings.ALLOWED_HOSTS


def test_nothing_in_a_container_is_root_or_may_become_it(compose: dict[str, Any]) -> None:
    instructions = re.findall(
        r"^([A-Z]+) (.*)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE
    )
    users = [given for instruction, given in instructions if instruction == "USER"]
    assert users == ["patchwave"]
    after = [name for name, _ in instructions][[n for n, _ in instructions].index("USER") :]
    assert "RUN" not in after, "what it builds, root builds"
    assert not {"ADD", "VOLUME"} & {name for name, _ in instructions}
    for name in ("web", "worker"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert (service["cap_drop"], service["tmpfs"]) == (["ALL"], ["/tmp"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert "user" not in service, "the image's own"


def test_images_of_others_are_named_whole_and_by_version(compose: dict[str, Any]) -> None:
    (base,) = re.findall(r"^FROM (\S+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    others = [one["image"] for one in compose["services"].values() if "build" not in one]
    for image in (base, *others):
        assert re.fullmatch(r"docker\.io/[a-z/]+:\d+(\.\d+)?[a-z-]*", image), image


def test_what_compose_fills_in_can_be_used(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"PATCHWAVE_URL": "https://patchwave.example", "DATABASE_PASSWORD": "0aF9"}
    given["BROKER_PASSWORD"] = "77aa"
    for name, value in compose["services"]["web"]["environment"].items():
        filled = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: given[found[1]], value)
        monkeypatch.setenv(name, filled)
    env = Env()
    assert env.database_url == "postgresql://patchwave:0aF9@database:5432/patchwave"
    assert env.redis_url == "redis://:77aa@broker:6379"
    assert env.runs == ["web", "beat"]
    assert env.names == ["patchwave.example"]


def sent_to_the_builder() -> set[Path]:
    """Tracked files that .dockerignore lets through."""
    kept = [
        line.removeprefix("!").rstrip("/")
        for line in (BASE / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=BASE,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    paths = {Path(line) for line in listed.stdout.splitlines() if (BASE / line).exists()}
    return {path for path in paths if any(fnmatch(path.parts[0], name) for name in kept)}
