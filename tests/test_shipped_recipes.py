"""The recipes that we ship, linted, and run for real in a directory under dash and busybox."""

import gzip
import hashlib
import io
import os
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy_tasks import recipes, revisions
from deploy_tasks.recipes import Recipe, Step

CTL = """\
echo "$1" >>"${0%/*}/calls"
case $1 in
  start) echo up >"${0%/*}/up"; test ! -e "${0%/*}/world" || echo new >>"${0%/*}/world/level" ;;
  stop) rm -f "${0%/*}/up" ;;
  status) test -e "${0%/*}/up" ;;
  *) exit 64 ;;
esac
"""


def shipped(name: str) -> Recipe:
    path = revisions.shipped()[name]
    return recipes.parse(path.read_text(), file=path.name)


def scripts() -> Iterator[tuple[str, str]]:
    """Every script of every shipped recipe, and where it stands."""
    for name in revisions.shipped():
        recipe = shipped(name)
        yield f"{name}: current", recipe.current or ""
        for step in recipe.steps:
            probe = step.wait.run if step.wait else None
            for key, text in (("run", step.run or probe), ("done_if", step.done_if)):
                yield f"{name}: {step.name}.{key}", text or ""
            yield f"{name}: {step.name}.undo", step.undo or ""


SCRIPTS = {where: text for where, text in scripts() if text}


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@pytest.mark.parametrize("where", SCRIPTS)
def test_shellcheck_finds_nothing(where: str) -> None:
    # SC2154: the variables come from outside.
    command = ["shellcheck", "--shell=sh", "--exclude=SC2154", "-"]
    found = subprocess.run(
        command, input=SCRIPTS[where], capture_output=True, text=True, timeout=30, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


@dataclass
class Shell:
    """A host in a directory: runs scripts as a host does, in a shell of this kind."""

    argv: list[str]
    path: str
    values: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def run(self, script: str) -> int:
        words = [f"{name}={shlex.quote(value)}" for name, value in self.values.items()]
        done = subprocess.run(
            [*self.argv, "-eu"],
            input="\n".join([*words, script]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PATH": self.path},
        )
        self.output = done.stdout
        return done.returncode

    def read(self, recipe: Recipe) -> str:
        assert self.run(recipe.current or "") == 0
        return self.output.strip()

    def do(self, step: Step) -> str:
        """succeeded, skipped or failed; a wait is asked once."""
        if step.done_if and self.run(step.done_if) == 0:
            return "skipped"
        script = step.run or (step.wait.run if step.wait else "true")
        return "failed" if self.run(script) else "succeeded"

    def bring(self, recipe: Recipe, *, to: str = "") -> dict[str, str]:
        """Run the steps, to the end or to the first that fails; or up to the one named."""
        states: dict[str, str] = {}
        for step in recipe.steps:
            states[step.name] = self.do(step)
            if states[step.name] == "failed" or step.name == to:
                break
        return states

    def undo(self, recipe: Recipe, states: Mapping[str, str]) -> None:
        for step in reversed(recipe.steps):
            if step.undo and states.get(step.name) in ("succeeded", "failed"):
                assert self.run(step.undo) == 0, self.output


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    kind: str = request.param
    program = shutil.which(kind)
    if program is None:
        pytest.skip(f"{kind} is not installed")
    if kind == "dash":
        return Shell([program], os.environ["PATH"])
    # Nothing but busybox, as on a router or a small container.
    applets = tmp_path / "applets"
    applets.mkdir()
    subprocess.run([program, "--install", "-s", applets], check=True, timeout=30)
    return Shell([str(applets / "sh")], str(applets))


def archive(path: Path, members: Mapping[str, str]) -> None:
    """The same members are the same bytes, at any time."""
    with (
        gzip.GzipFile(path, "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))


class TestSymlinkRelease:
    @pytest.fixture
    def recipe(self) -> Recipe:
        return shipped("symlink-release")

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """With a space in its name, as real ones have."""
        root = tmp_path / "my game"
        (root / "world").mkdir(parents=True)
        (root / "world" / "level").write_text("old\n")
        (root / "ctl").write_text(CTL)
        return root

    @pytest.fixture
    def host(self, shell: Shell, recipe: Recipe, root: Path) -> Shell:
        values = recipes.resolve(recipe, game={}, host={"root": str(root)}, job={})
        shell.values = {**values.plain, "host": "eu-1", "job": "1"}
        self.offer(shell, root, "1.0")
        return shell

    def offer(self, host: Shell, root: Path, version: str, **members: str) -> None:
        """A release of this version, as if it had been uploaded."""
        artifact = root.parent / f"{version}.tar.gz"
        archive(artifact, members or {"server": version, "lib/a": "a"})
        sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest()
        host.values |= {"version": version, "artifact": str(artifact), "sha256": sha256}

    def update(self, host: Shell, recipe: Recipe, root: Path, version: str) -> dict[str, str]:
        host.values["previous"] = host.read(recipe)
        host.values["job"] = str(int(host.values["job"]) + 1)
        self.offer(host, root, version)
        return host.bring(recipe)

    def test_a_first_install_ends_at_the_release(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        assert host.read(recipe) == ""
        states = self.update(host, recipe, root, "1.0")
        assert set(states.values()) == {"succeeded"}
        assert host.read(recipe) == "1.0"
        assert (root / "current" / "server").read_text() == "1.0"
        assert (root / "calls").read_text().split() == ["stop", "start", "status"]

    def test_an_update_switches_the_link_and_keeps_the_old_release(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.update(host, recipe, root, "1.0")
        self.update(host, recipe, root, "1.1")
        assert host.read(recipe) == "1.1"
        assert (root / "releases" / "1.0" / "server").read_text() == "1.0"
        assert not (root / "current.new").is_symlink()

    def test_what_is_unpacked_already_is_skipped_and_by_content_only(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.update(host, recipe, root, "1.0")
        assert self.update(host, recipe, root, "1.0")["unpack"] == "skipped"
        (root / "releases" / "1.0" / ".complete").write_text("of another archive\n")
        assert self.update(host, recipe, root, "1.0")["unpack"] == "succeeded"

    @pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a/..", ".."])
    def test_an_archive_that_leads_out_is_refused(
        self, host: Shell, recipe: Recipe, root: Path, name: str
    ) -> None:
        self.offer(host, root, "6.6", **{"ok": "x", name: "x"})
        assert host.bring(recipe)["unpack"] == "failed"
        assert "refused" in host.output
        assert not (root / "releases").exists()

    def test_names_that_only_look_like_it_are_taken(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.offer(host, root, "1.0", **{"..a/b..": "x", "c..d": "x", "./e": "x"})
        assert host.bring(recipe, to="unpack")["unpack"] == "succeeded"

    def test_a_broken_archive_leaves_nothing_behind(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        artifact = Path(host.values["artifact"])
        artifact.write_bytes(artifact.read_bytes()[:-20])
        assert host.bring(recipe)["unpack"] == "failed"
        assert list((root / "releases").iterdir()) == []

    def test_a_host_without_ctl_or_space_is_left_alone(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        host.values["min_free_mb"] = "999999999"
        assert host.bring(recipe) == {"space": "failed"}
        assert "999999999 needed" in host.output
        (root / "ctl").unlink()
        assert host.bring(recipe) == {"space": "failed"}
        assert f"there is no {root}/ctl" in host.output

    def test_a_switch_is_taken_back(self, host: Shell, recipe: Recipe, root: Path) -> None:
        self.update(host, recipe, root, "1.0")
        states = self.update(host, recipe, root, "1.1")
        host.undo(recipe, states)
        assert host.read(recipe) == "1.0"
        assert (root / "calls").read_text().split()[-2:] == ["stop", "start"]

    def test_an_update_goes_on_where_it_was_taken_back(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.update(host, recipe, root, "1.0")
        host.undo(recipe, self.update(host, recipe, root, "1.1"))
        self.update(host, recipe, root, "1.1")
        assert host.read(recipe) == "1.1"

    def with_world(self, host: Shell, recipe: Recipe, root: Path) -> Path:
        """The host at 1.0, from here on with a backup."""
        self.update(host, recipe, root, "1.0")
        host.values["data"] = str(root / "world")
        (root / "world" / "level").write_text("old\n")
        return root / "world" / "level"

    def test_the_data_is_backed_up_while_the_server_is_down(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.with_world(host, recipe, root)
        self.update(host, recipe, root, "1.1")
        with tarfile.open(root / "backups" / f"{host.values['job']}.tar.gz") as copy:
            level = copy.extractfile("./level")
            assert level is not None
            assert level.read() == b"old\n"

    def test_the_data_goes_back_with_the_program(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        level = self.with_world(host, recipe, root)
        states = self.update(host, recipe, root, "1.1")
        assert level.read_text() == "old\nnew\n"
        (root / "ctl").write_text(CTL.replace("echo new", "true"))
        host.undo(recipe, states)
        assert level.read_text() == "old\n"
        kept = root / f"world.after-{host.values['job']}" / "level"
        assert kept.read_text() == "old\nnew\n"

    def test_the_data_stays_if_the_new_release_never_had_it(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        level = self.with_world(host, recipe, root)
        host.values["previous"] = "1.0"
        self.offer(host, root, "1.1")
        states = host.bring(recipe, to="switch")
        level.write_text("changed by hand\n")
        (root / "ctl").write_text(CTL.replace("echo new", "true"))
        host.undo(recipe, states)
        assert level.read_text() == "changed by hand\n"

    def test_an_interrupted_way_back_can_be_gone_again(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        level = self.with_world(host, recipe, root)
        self.update(host, recipe, root, "1.1")
        (root / "world").rename(root / f"world.after-{host.values['job']}")
        (backup,) = (step for step in recipe.steps if step.name == "backup")
        assert host.run(backup.undo or "") == 0
        assert level.read_text() == "old\n"

    def test_backups_inside_the_data_are_refused(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.with_world(host, recipe, root)
        host.values["data"] = str(root)
        assert self.update(host, recipe, root, "1.1")["backup"] == "failed"
        assert "refused" in host.output

    def test_a_missing_world_stops_the_update_before_the_switch(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.with_world(host, recipe, root)
        shutil.rmtree(root / "world")
        states = self.update(host, recipe, root, "1.1")
        assert list(states.items())[-1] == ("backup", "failed")
        assert not list((root / "backups").glob("*.tar.gz"))

    def test_old_releases_and_backups_go_but_never_what_is_in_use(
        self, host: Shell, recipe: Recipe, root: Path
    ) -> None:
        self.with_world(host, recipe, root)
        host.values["keep"] = "1"
        (root / "releases" / "by hand").mkdir()
        for age, version in enumerate(["1.1", "1.2", "1.3", "1.4"]):
            self.update(host, recipe, root, version)
            for path in [*(root / "releases").iterdir(), *(root / "backups").iterdir()]:
                if path.stat().st_mtime > 100:
                    os.utime(path, (age, age))
        releases = {path.name for path in (root / "releases").iterdir()}
        assert releases == {"1.4", "1.3", "1.2", "by hand"}
        backups = {path.name for path in (root / "backups").glob("*.tar.gz")}
        job = int(host.values["job"])
        assert backups == {f"{job}.tar.gz", f"{job - 1}.tar.gz"}


class TestCustomScript:
    SCRIPT = """\
#!/bin/sh -eu
cd "${0%/*}"
echo "$*" >>calls
case $1 in
  check) test ! -e locked ;;
  version) test ! -e VERSION || cat VERSION ;;
  update | rollback) echo "$2" >VERSION ;;
  health) test -e VERSION ;;
  *) exit 64 ;;
esac
"""

    @pytest.fixture
    def recipe(self) -> Recipe:
        return shipped("custom-script")

    @pytest.fixture
    def script(self, tmp_path: Path) -> Path:
        home = tmp_path / "my game"
        home.mkdir()
        path = home / "update it.sh"
        path.write_text(self.SCRIPT)
        path.chmod(0o755)
        return path

    @pytest.fixture
    def host(self, shell: Shell, recipe: Recipe, script: Path) -> Shell:
        values = recipes.resolve(recipe, game={}, host={"script": str(script)}, job={})
        shell.values = {**values.plain, "version": "2.0"}
        return shell

    def test_the_script_is_called_by_its_contract(
        self, host: Shell, recipe: Recipe, script: Path
    ) -> None:
        assert host.read(recipe) == ""
        assert set(host.bring(recipe).values()) == {"succeeded"}
        assert host.read(recipe) == "2.0"
        calls = script.with_name("calls").read_text().splitlines()
        assert calls == ["version", "check", "update 2.0", "health", "version"]

    def test_a_check_that_says_no_stops_it(self, host: Shell, recipe: Recipe, script: Path) -> None:
        script.with_name("locked").touch()
        assert host.bring(recipe) == {"check": "failed"}

    def test_an_undo_rolls_back_to_the_version_before(
        self, host: Shell, recipe: Recipe, script: Path
    ) -> None:
        host.values["previous"] = "1.0"
        host.undo(recipe, host.bring(recipe))
        assert host.read(recipe) == "1.0"
