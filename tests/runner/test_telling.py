"""What hosts print, as it is stored: whole, bounded, masked."""

import shutil
from pathlib import Path

import pytest
from django.conf import LazySettings

from demo.fleet import Fleet
from deploy_tasks import vault
from deploy_tasks.models import Credential, Event
from tests.faults.jobs import make_game, start
from tests.runner.world import Worker, ended, log
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def test_a_log_that_differs_from_the_hosts_is_told(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME = tmp_path
    vault.ensure_keys()
    tamper = "printf X | dd of=$log bs=1 seek=3 conv=notrunc 2>/dev/null"
    text = f"""\
recipe: steps
steps:
  - name: tamper
    run: |
      while ! ls go 2>/dev/null; do sleep .05; done
      for log in .patchwave/runs/*/log; do {tamper}; done
"""
    game = make_game(fleet, text)
    host = fleet.hosts[0]
    shutil.rmtree(host.home / ".patchwave", ignore_errors=True)
    job = start(game, hosts=[host.name])
    run = job.host_runs.get()
    until(lambda: run.attempts.filter(state="running").exists(), "the step is followed")
    (host.home / "go").touch()
    until(ended(job, "succeeded"), "the job succeeds")
    (note,) = Event.objects.filter(job=job, kind="note").values_list("data", flat=True)
    assert "the output stored here is not what lies on the host" in note["text"]
    run.refresh_from_db()
    assert run.warned


def test_of_a_too_long_output_the_beginning_and_the_end_are_stored(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME, settings.OUTPUT_LIMIT = tmp_path, 100_000
    vault.ensure_keys()
    text = "recipe: chatty\nsteps:\n  - {name: chat, run: seq 1 400000}\n"
    game = make_game(fleet, text)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "succeeded"), "the job succeeds")
    run = job.host_runs.get()
    whole = "".join(f"{n}\n" for n in range(1, 400_001)).encode()
    pieces = Event.objects.filter(host_run=run, kind="output").order_by("seq")
    for piece in pieces:
        assert piece.offset is not None
        assert piece.raw_length is not None
        assert bytes(piece.output or b"") == whole[piece.offset : piece.offset + piece.raw_length]
    stored = sum(piece.raw_length or 0 for piece in pieces)
    assert pieces[0].offset == 0
    assert (pieces.last().offset or 0) + (pieces.last().raw_length or 0) == len(whole)
    (note,) = Event.objects.filter(job=job, kind="note").values_list("data", flat=True)
    assert f"{len(whole) - stored} bytes are only on the host" in note["text"]
    assert run.attempts.get().log_offset == len(whole)


def test_secrets_are_masked_before_they_are_stored(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME = tmp_path
    vault.ensure_keys()
    text = """\
recipe: steps
vars: {password: {type: secret, default: rcon}}
steps:
  - {name: say, run: 'printf %s "$password" | head -c 9; sleep .2; echo "$password" | tail -c +10'}
"""
    game = make_game(fleet, text)
    key_id, sealed = vault.seal(b"tell-nobody-ever", identity=vault.identity_of_credential("rcon"))
    rcon = Credential.objects.create(name="rcon", kind="secret", sealed=sealed, key_id=key_id)
    rcon.games.add(game)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "succeeded"), "the job succeeds")
    run = job.host_runs.get()
    assert log(run, "say") == b"[MASKED]\n"


@pytest.mark.parametrize(
    ("current", "error"),
    [
        (
            r"printf '\033]0;owned\007%s\000\342\200\256' $password",
            r"all steps ended well, but the host still says \x1b]0;owned\x07[MASKED]\x00\u202e",
        ),
        (
            r"printf 'no \033[2J\000%s' $password >&2; [ ! -e worked ]",
            r"asking for the current version failed: no \x1b[2J\x00[MASKED]",
        ),
    ],
)
def test_a_hosts_own_words_are_spelled_out_and_masked(
    fleet: Fleet,
    settings: LazySettings,
    tmp_path: Path,
    workers: list[Worker],
    current: str,
    error: str,
) -> None:
    """In sentences and columns: no database takes NUL, and terminals obey what is not spelled."""
    settings.HOME = tmp_path
    vault.ensure_keys()
    text = f"""\
recipe: steps
vars: {{password: {{type: secret, default: rcon}}}}
current: |
  {current}
steps:
  - {{name: work, run: touch worked}}
"""
    game = make_game(fleet, text)
    key_id, sealed = vault.seal(b"tell-nobody-ever", identity=vault.identity_of_credential("rcon"))
    rcon = Credential.objects.create(name="rcon", kind="secret", sealed=sealed, key_id=key_id)
    rcon.games.add(game)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "failed"), "the job fails")
    assert job.host_runs.get().error == error
