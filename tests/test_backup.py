"""A backup holds everything, and is put back as it was; but nothing goes on by itself then."""

import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from deploy_tasks import artifacts, clock, journal, vault
from deploy_tasks.journal import News
from deploy_tasks.models import (
    Attempt,
    AuditEntry,
    AuditHead,
    Credential,
    Event,
    Host,
    HostRun,
    Instance,
    Job,
    Release,
)
from deploy_tasks.states import HostRunState, JobState
from tests import factories
from webapp import backup
from webapp.backup import rows
from webapp.serve import only_one

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = b"\x00\xff secret"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Settings) -> Path:
    settings.HOME = tmp_path / "home"
    settings.ARTIFACTS = settings.HOME / "artifacts"
    settings.PRIVATE_KEYS = settings.HOME / "keys" / "seal"
    vault.ensure_keys()
    (settings.HOME / "keys" / "django").write_text("signing")
    return settings.HOME


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.tar"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Of an instance with a bit of everything: four host runs, one of them with output."""
    mira = factories.user()
    mira.groups.add(Group.objects.create(name="night shift"))
    game = factories.game()
    (build := tmp_path / "build").write_bytes(b"artifact")
    sha256, size = artifacts.add(build)
    factories.release(game, sha256=sha256, size=size)
    job = factories.job(game, 4, by=mira, state=JobState.RUNNING, note="eu ☃")
    states = [HostRunState.RUNNING, HostRunState.QUEUED, HostRunState.WAITING]
    for run, state in zip(job.host_runs.order_by("position"), states, strict=False):
        HostRun.objects.filter(pk=run.pk).update(
            state=state, owner="somebody", lease_until=clock.now()
        )
    done = job.host_runs.latest("position")
    HostRun.objects.filter(pk=done.pk).update(state=HostRunState.SUCCEEDED, holds_host=False)
    attempt = Attempt.objects.create(
        host_run=done, uid="plan.1", step=0, name="stop", number=1, script_sha256="0" * 64
    )
    journal.append(job.pk, [News(Event.Kind.NOTE, {"text": "begun"})])
    Event.objects.create(
        job=job, seq=2, host_run=done, attempt=attempt, kind=Event.Kind.OUTPUT,
        at=clock.now(), offset=0, raw_length=5, output=b"\x1b\xff\x00ok",
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(last_seq=2)
    key_id, box = vault.seal(SECRET, identity="credential:fleet")
    Credential.objects.update(sealed=box, key_id=key_id)
    return job


def everything() -> dict[str, list[tuple[Any, ...]]]:
    def plain(value: Any) -> Any:
        return bytes(value) if isinstance(value, memoryview) else value

    return {
        model._meta.label: [
            tuple(plain(value) for value in row)
            for row in model._base_manager.order_by("pk").values_list()
        ]
        for model in rows.models()
    }


def lose_everything(home: Path) -> None:
    with transaction.atomic():
        rows.delete_all()
    for path in [*home.rglob("*")]:
        if path.is_file():
            path.unlink()


def test_all_rows_keys_and_artifacts_come_back_as_they_were(
    job: Job, file: Path, home: Path
) -> None:
    Job.objects.update(state=JobState.SUCCEEDED)
    HostRun.objects.update(state=HostRunState.SUCCEEDED, holds_host=False)
    before = everything()
    backup.make(file)
    lose_everything(home)
    backup.restore(file)
    after = everything()
    assert after.pop(Instance._meta.label) != before.pop(Instance._meta.label, None)
    # The restore itself is written down, at the end of the chain that came back.
    assert [entry[6] for entry in after.pop(AuditEntry._meta.label)] == ["restore"]
    for audit in (AuditEntry, AuditHead):
        before.pop(audit._meta.label)
    after.pop(AuditHead._meta.label)
    assert after == before
    fleet = Credential.objects.get()
    assert (
        vault.open_sealed(fleet.key_id, bytes(fleet.sealed), identity="credential:fleet") == SECRET
    )
    assert artifacts.path_of(Release.objects.get().sha256).read_bytes() == b"artifact"
    assert (home / "keys" / "django").read_text() == "signing"


def test_watchers_forget_what_they_knew(job: Job, file: Path) -> None:
    before = Instance.current().epoch
    backup.make(file)
    backup.restore(file)
    assert Instance.current().epoch != before


def test_no_open_job_goes_on_by_itself(job: Job, file: Path) -> None:
    backup.make(file)
    backup.restore(file)
    job.refresh_from_db()
    assert job.state == JobState.HALTED
    assert job.reason.startswith("restored from a backup of 20")
    runs = list(job.host_runs.order_by("position"))
    assert [run.state for run in runs] == ["unknown", "waiting", "waiting", "succeeded"]
    assert [run.holds_host for run in runs] == [True, False, False, False]
    assert runs[0].lease_until is None
    assert Event.objects.filter(job=job).count() == job.last_seq


def test_private_keys_that_are_kept_apart_go_back_apart(
    job: Job, file: Path, home: Path, settings: Settings, tmp_path: Path
) -> None:
    (key,) = (home / "keys" / "seal").glob("*.key")
    settings.PRIVATE_KEYS = tmp_path / "apart"
    settings.PRIVATE_KEYS.mkdir()
    key.rename(settings.PRIVATE_KEYS / key.name)
    assert backup.make(file)["private_keys"]
    (settings.PRIVATE_KEYS / key.name).unlink()
    backup.restore(file)
    assert (settings.PRIVATE_KEYS / key.name).exists()
    assert not key.exists()


def test_new_rows_get_numbers_that_nothing_has(job: Job, file: Path, home: Path) -> None:
    backup.make(file)
    lose_everything(home)
    backup.restore(file)
    assert Host.objects.create(
        name="new", game=job.game, address="a", user="u", credential=Credential.objects.get()
    ).pk > max(Host.objects.exclude(name="new").values_list("pk", flat=True))


def test_who_is_not_in_it_is_gone_afterwards(job: Job, file: Path) -> None:
    backup.make(file)
    factories.user("later")
    backup.restore(file)
    assert not User.objects.filter(username="later").exists()


def test_a_backup_is_for_its_owner_alone_and_whole_or_not_there(job: Job, file: Path) -> None:
    backup.make(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir() if "part" in path.name] == []


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9])
def test_of_a_damaged_file_nothing_is_taken(job: Job, file: Path, kept: float) -> None:
    backup.make(file)
    with tarfile.open(file) as archive:
        last = archive.getmembers()[-1]
    # What comes after the last part is padding.
    file.write_bytes(file.read_bytes()[: int((last.offset_data + last.size) * kept)])
    before = everything()
    with pytest.raises(backup.CannotRestore, match=r"is damaged|is no backup"):
        backup.restore(file)
    assert everything() == before


def test_another_versions_backup_is_refused_and_says_what_differs(job: Job, file: Path) -> None:
    backup.make(file)
    _rewrite(file, "about.json", lambda about: about["migrations"].append("app.0999_later"))
    before = everything()
    with pytest.raises(backup.CannotRestore, match=r"differs in: app\.0999_later"):
        backup.restore(file)
    assert everything() == before


@pytest.mark.parametrize("name", ["../evil", "keys/../../evil", "keys/seal/..", "etc/passwd"])
def test_a_file_that_is_not_of_a_backup_is_refused(
    job: Job, file: Path, name: str, home: Path
) -> None:
    backup.make(file)
    with tarfile.open(file, "a") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(backup.CannotRestore, match="is not of a backup"):
        backup.restore(file)
    assert not list(home.parent.rglob("evil"))


def test_what_is_here_is_given_up_only_when_that_is_said(job: Job, file: Path) -> None:
    call_command("backup", file, stdout=io.StringIO())
    with pytest.raises(CommandError, match=r"not empty \(hosts: 4, jobs: 1\); --replace"):
        call_command("restore", file)
    call_command("restore", file, replace=True, stdout=io.StringIO())


def test_a_running_instance_is_left_alone(job: Job, file: Path, home: Path) -> None:
    call_command("backup", file, stdout=io.StringIO())
    with only_one(home, port=8000), pytest.raises(SystemExit, match="already runs"):
        call_command("restore", file, replace=True)


def test_the_command_says_what_is_in_it_and_what_is_not(job: Job, file: Path, home: Path) -> None:
    out = io.StringIO()
    call_command("backup", file, json=True, stdout=out)
    assert json.loads(out.getvalue())["artifacts"] == 1
    for key in (home / "keys" / "seal").glob("*.key"):
        key.unlink()
    call_command("backup", file, stdout=out)
    assert "1 artifact. The private keys are not on this machine" in out.getvalue()


def test_one_artifact_is_told_as_one(job: Job, file: Path, home: Path) -> None:
    out = io.StringIO()
    call_command("backup", file, stdout=out)
    assert "rows, 1 artifact and the keys." in out.getvalue()
    call_command("restore", file, replace=True, stdout=out)
    assert "rows, 1 artifact. Jobs that were open" in out.getvalue()


def test_a_place_that_cannot_be_written_is_said_in_one_sentence() -> None:
    with pytest.raises(CommandError, match=r"^/proc/backup cannot be written"):
        call_command("backup", Path("/proc/backup"))


def _rewrite(file: Path, name: str, change: Any) -> None:
    with tarfile.open(file) as archive:
        members = [
            (member, archive.extractfile(member).read())  # type: ignore[union-attr]
            for member in archive
        ]
    with tarfile.open(file, "w") as archive:
        for member, content in members:
            if member.name == name:
                value = json.loads(content)
                change(value)
                content = json.dumps(value).encode()
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
