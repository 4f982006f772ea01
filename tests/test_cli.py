"""bin/patchwave against a live server. It has no sockets: what is watched here is polled."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from pydantic import SecretStr
from pytest_django.live_server_helper import LiveServer

from deploy_tasks import journal
from deploy_tasks.audit import guard
from deploy_tasks.journal import News
from deploy_tasks.models import Event, Game, Job
from deploy_tasks.states import JobState
from tests import factories, stories
from webapp import env as environment
from webapp import failures, tokens
from webapp.cli import client, local, story
from webapp.cli.main import main
from webapp.models import Grant, Role

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def unguarded(transactional_db: None) -> Iterator[None]:
    """A command on this machine prepares it, and the audit's guard would keep its rows."""
    yield
    guard._execute(guard._DROP)


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    return game


@pytest.fixture
def mira() -> User:
    user = factories.user("mira")
    Grant.objects.create(user=user, role=Role.OPERATOR)
    return user


@pytest.fixture
def token(mira: User) -> str:
    return tokens.create(mira)


@pytest.fixture
def run(
    live_server: LiveServer,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command as mira; gives exit status, what was printed and what was complained."""
    monkeypatch.setattr(story, "PAUSE", 0.01)
    monkeypatch.setattr(client, "PAUSE", 0.01)
    monkeypatch.setattr(local, "env", environment.Env(url=live_server.url, token=SecretStr(token)))

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


class TestStart:
    def test_a_job_is_started(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1"), factories.host(squid, "eu-2")
        status, out, _ = run("start", "squid", "2.0", "--hosts", "eu-1,eu-2")
        job = Job.objects.get()
        assert status == 0
        assert f"#{job.pk} squid 2.0" in out
        assert f"/jobs/{job.pk}/" in out
        assert sorted(run.name for run in job.host_runs.all()) == ["eu-1", "eu-2"]

    def test_everything_an_order_may_say_is_sent(self, run: Run, squid: Game) -> None:
        for shard in ("a", "a", "b"):
            factories.host(squid, labels={"region": "eu", "shard": shard})
        text = factories.RECIPE.replace("- name: stop", "- name: stop\n    disruptive: true")
        squid.recipe.revisions.create(number=2, text=text, sha256="2" * 64)
        words = "start squid 2.0 --label region=eu --label shard=a --canary 1 --batch 50% --batch 3"
        words += " --preflight --batch double --parallel 7 --max-failed 5% --max-failed-in-batch 2"
        words += " --gate manual --soak 5m --stagger 10s --on-halt wait --order-by shard"
        words += " --batch-by shard"
        words += " --stage-ahead --stage-parallel 9 --at 2999-01-01T04:00+00:00"
        words += " --max-down region=50% --max-down shard=1 --per-machine 2"
        words += " --note why --force --key k1"
        status, _, err = run(*words.split())
        assert (status, err) == (0, "")
        job = Job.objects.get()
        assert job.host_runs.count() == 2
        assert (job.note, job.force, job.idempotency_key) == ("why", True, "k1")
        assert job.start_at == datetime(2999, 1, 1, 4, tzinfo=UTC)
        assert job.rollout == {
            "canary": 1,
            "batches": ["50%", 3, "double"],
            "parallel": 7,
            "stage": "ahead",
            "stage_parallel": 9,
            "stagger": 10,
            "preflight": True,
            "max_failed": "5%",
            "max_failed_in_batch": 2,
            "on_halt": "wait",
            "gate": "manual",
            "soak": 300,
            "order_by": "shard",
            "batch_by": "shard",
            "max_down": {"region": "50%", "shard": 1},
            "per_machine": 2,
        }

    @pytest.mark.parametrize(
        ("words", "canary"), [("eu-1", ["eu-1"]), ("tier=test", {"tier": "test"}), ("50%", "50%")]
    )
    def test_a_canary_is_named_or_labelled(
        self, run: Run, squid: Game, words: str, canary: object
    ) -> None:
        factories.host(squid, "eu-1", labels={"tier": "test"}), factories.host(squid, "eu-2")
        assert run("start", "squid", "2.0", "--all", "--canary", words)[0] == 0
        assert Job.objects.get().rollout["canary"] == canary
        assert Job.objects.get().host_runs.filter(batch=1).get().name == "eu-1"

    def test_vars_are_sent(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1")
        status, _, err = run("start", "squid", "2.0", "--all", "--var", "colour=red=blue")
        assert status == 3
        assert "vars.colour" in err

    def test_json_is_the_answer_of_the_api_unchanged(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1")
        status, out, _ = run("start", "squid", "2.0", "--all", "--json")
        assert status == 0
        assert json.loads(out)["id"] == Job.objects.get().pk

    def test_a_plan_starts_nothing(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1"), factories.host(squid, "eu-2", pinned=False)
        status, out, _ = run("start", "squid", "2.0", "--all", "--plan")
        assert status == 0
        assert "Batch 1, 2: eu-1, eu-2" in out
        assert "Refused: eu-2: " in out
        assert not Job.objects.exists()

    def test_a_refusal_is_told_in_words(self, run: Run, squid: Game) -> None:
        host = factories.job(squid, hosts=1).host_runs.get().name
        status, out, err = run("start", "squid", "2.0", "--hosts", host)
        assert (status, out) == (3, "")
        assert err.strip() == f"busy: {host} (#{Job.objects.get().pk})"

    def test_a_refusal_is_json_where_json_is_asked_for(self, run: Run, squid: Game) -> None:
        status, out, err = run("start", "squid", "2.0", "--hosts", "nowhere", "--json")
        assert (status, err) == (3, "")
        assert json.loads(out)["error"]["field"] == "hosts[0]"

    @pytest.mark.parametrize(
        "words",
        [
            "",
            "dance",
            "start squid",
            "start squid 2.0",
            "start squid 2.0 --all --hosts eu-1",
            "start squid 2.0 --label eu",
            "start squid 2.0 --all --per-machine few",
            "watch",
            "watch x",
            "answer 1 eu-1 perhaps",
        ],
    )
    def test_what_makes_no_sense_is_usage(self, words: str) -> None:
        with pytest.raises(SystemExit) as end:
            main(words.split())
        assert end.value.code == 2

    def test_it_can_be_followed_to_its_end(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="succeeded", order_digest="x")
        job.host_runs.update(state="succeeded", holds_host=False)
        factories.host(squid, "eu-1")
        # The same key and order gave this job, which has ended meanwhile.
        run("start", "squid", "2.0", "--hosts", "eu-1", "--key", "k1")
        started = Job.objects.get(idempotency_key="k1")
        started.host_runs.update(state="succeeded", holds_host=False)
        journal.append(started.pk, [News(Event.Kind.NOTE, {"text": "hello"})])
        Job.objects.filter(pk=started.pk).update(state="succeeded", ended_at=started.created_at)
        status, out, _ = run("start", "squid", "2.0", "--hosts", "eu-1", "--key", "k1", "--watch")
        assert status == 0
        assert "hello" in out
        assert out.rstrip().endswith("Succeeded in 0 s: 1 of 1 updated.")


class TestWatch:
    @pytest.mark.parametrize(
        ("state", "status"), [("succeeded", 0), ("failed", 1), ("cancelled", 1), ("halted", 1)]
    )
    def test_its_status_tells_how_the_job_stands(
        self, run: Run, squid: Game, state: str, status: int
    ) -> None:
        job = factories.job(squid, hosts=1, state=state)
        assert run("watch", str(job.pk))[0] == status

    def test_json_is_one_item_a_line(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="failed")
        for text in ("one", "zwei ä"):
            journal.append(job.pk, [News(Event.Kind.NOTE, {"text": text})])
        status, out, _ = run("watch", f"#{job.pk}", "--json")
        assert status == 1
        items = [json.loads(line) for line in out.splitlines()]
        assert [(item["s"], item["text"]) for item in items] == [(1, "one"), (2, "zwei ä")]

    def test_it_can_begin_later(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="failed")
        for text in ("one", "two"):
            journal.append(job.pk, [News(Event.Kind.NOTE, {"text": text})])
        _, out, _ = run("watch", str(job.pk), "--after", "1")
        assert "two" in out
        assert "one" not in out

    def test_a_job_that_is_not_there_is_refused(self, run: Run) -> None:
        assert run("watch", "99")[0] == 3

    def test_output_of_chosen_hosts_is_told_line_by_line(
        self, run: Run, story: stories.Story
    ) -> None:
        story.output("eu-1", b"mine\nbeg", b"un\n")
        story.output("eu-2", b"other\n")
        story.reach(JobState.SUCCEEDED)
        status, out, _ = run("watch", str(story.job.pk), "--output-of", "eu-1")
        assert status == 0
        assert "eu-1 | mine\neu-1 | begun\n" in out
        assert "other" not in out

    def test_a_host_that_is_not_in_the_job_is_refused(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1)
        status, _, err = run("watch", str(job.pk), "--output-of", "nope")
        assert (status, "“nope”" in err) == (3, True)

    def test_a_terminal_gets_a_live_table(
        self, live_server: LiveServer, token: str, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=2, state="running")
        name = job.host_runs.order_by("pk")[0].name
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(ours, (24, 100))
        watcher = subprocess.Popen(
            [sys.executable, "-m", "webapp.cli", "watch", str(job.pk)],
            env={
                **os.environ,
                "PATCHWAVE_URL": live_server.url,
                "PATCHWAVE_TOKEN": token,
                "TERM": "xterm",
            },
            stdout=theirs,
        )
        os.close(theirs)
        shown = ""
        while "2 waiting" not in shown:
            shown += os.read(ours, 4096).decode()
        assert "HOST" in shown
        run = job.host_runs.get(name=name)
        job.host_runs.update(state="failed", holds_host=False)
        news = {"to": "failed", "error": "no room"}
        with transaction.atomic():
            journal.append(job.pk, [News(Event.Kind.HOST, news, host_run=run.pk)])
            Job.objects.filter(pk=job.pk).update(state="failed")
        with contextlib.suppress(OSError):  # the far side of a terminal that was left
            while piece := os.read(ours, 4096):
                shown += piece.decode()
        os.close(ours)
        assert watcher.wait(10) == 1
        *_, last = shown.split("\x1b[J")
        assert f"{name}  failed: no room" in shown
        assert "1 failed, 1 waiting" in last
        assert "2 failed" in last.rstrip().splitlines()[-1], "the server's own verdict"

    def test_ctrl_c_leaves_the_job_alone(
        self, live_server: LiveServer, token: str, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1, state="running")
        journal.append(job.pk, [News(Event.Kind.NOTE, {"text": "hello"})])
        watcher = subprocess.Popen(
            [sys.executable, "-m", "webapp.cli", "watch", str(job.pk)],
            env={**os.environ, "PATCHWAVE_URL": live_server.url, "PATCHWAVE_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Who runs in a shell's background has it ignored, and would pass that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        with watcher:
            assert watcher.stdout
            assert watcher.stderr
            assert "hello" in watcher.stdout.readline()
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(timeout=10) == 130
            assert "goes on" in watcher.stderr.read()
        job.refresh_from_db()
        assert job.state == "running"


class TestOrders:
    def test_failed_hosts_are_retried(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="failed")
        job.host_runs.update(state="failed", holds_host=False)
        name = job.host_runs.order_by("pk")[0].name
        why = ("--note", "it is mended")
        status, out, _ = run("retry", str(job.pk), "--hosts", name, "--from-step", "start", *why)
        assert status == 0
        assert "(running)" in out
        assert [(one.name, one.step) for one in job.host_runs.filter(state="waiting")] == [
            (name, 1)
        ]
        told = job.events.get(kind="order").data
        assert told
        assert told["note"] == "it is mended"

    def test_those_whose_cause_stands_earlier_are_retried_from_there(
        self, run: Run, squid: Game, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = factories.job(squid, hosts=2, state="failed")
        job.host_runs.update(state="failed", holds_host=False, step=1)
        name = job.host_runs.order_by("pk")[0].name
        monkeypatch.setattr(failures, "ways_back", lambda job, hosts: {name: "stop"})
        assert run("retry", str(job.pk), "--back")[0] == 0
        assert dict(job.host_runs.values_list("step", "name"))[0] == name

    def test_a_job_is_cancelled(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1)
        assert run("cancel", str(job.pk), "--force")[0] == 0
        assert job.host_runs.get().state == "cancelled"

    def test_a_cancel_may_leave_what_was_done(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="running")
        job.host_runs.update(state="running", fence=1)
        assert run("cancel", str(job.pk), "--no-undo")[0] == 0
        assert job.host_runs.get().wish == "cancel"
        assert run("cancel", str(job.pk))[0] == 0
        assert job.host_runs.get().wish == "cancel_undo"

    def test_an_unknown_host_is_answered_for(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="halted")
        job.host_runs.update(state="unknown")
        name = job.host_runs.get().name
        status, _, err = run("answer", str(job.pk), name, "give_up", "--note", "I looked")
        assert (status, err) == (0, "")
        assert job.host_runs.get().state == "failed"

    def test_several_unknown_hosts_are_answered_for_at_once(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="halted")
        job.host_runs.update(state="unknown")
        names = ",".join(job.host_runs.values_list("name", flat=True))
        assert run("answer", str(job.pk), names, "it_ran")[0] == 0
        assert job.host_runs.filter(state="queued").count() == 2

    def test_a_job_is_paused_and_resumed(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="running")
        assert run("pause", str(job.pk))[0] == 0
        job.refresh_from_db()
        assert (job.pause, job.paused_by) == ("host", "mira")
        assert run("pause", str(job.pk), "--after", "batch")[0] == 0
        assert run("resume", str(job.pk))[0] == 0
        job.refresh_from_db()
        assert job.pause == ""

    def test_hosts_are_left_out(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="running")
        name = job.host_runs.first().name  # type: ignore[union-attr]
        assert run("skip", str(job.pk), "--hosts", name)[0] == 0
        assert run("skip", str(job.pk), "--rest", "--note", "enough")[0] == 0
        assert set(job.host_runs.values_list("state", flat=True)) == {"skipped"}

    def test_hosts_that_failed_are_set_aside(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="running")
        name = job.host_runs.first().name  # type: ignore[union-attr]
        job.host_runs.filter(name=name).update(state="failed", holds_host=False)
        assert run("exclude", str(job.pk), "--hosts", name, "--note", "no disk")[0] == 0
        assert job.host_runs.get(excluded=True).name == name

    def test_terms_are_changed(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="running")
        assert run("change", str(job.pk), "--parallel", "3", "--max-failed", "5%")[0] == 0
        job.refresh_from_db()
        assert (job.rollout["parallel"], job.rollout["max_failed"]) == (3, "5%")

    def test_a_preset_is_named_and_a_term_of_it_changed(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1")
        start = ("start", "squid", "2.0", "--all", "--preset", "careful")
        assert run(*start, "--parallel", "3")[0] == 0
        terms = Job.objects.get().rollout
        assert (terms["gate"], terms["max_failed"], terms["parallel"]) == ("manual", 0, 3)

    def test_a_gate_is_opened(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="paused")
        job.batches.update(gate="waiting")
        assert run("promote", str(job.pk), "--batch", "1")[0] == 0
        assert job.batches.get().gate == "open"
        status, _, err = run("promote", str(job.pk))
        assert (status, "no gate to open" in err) == (3, True)

    def test_the_switch_is_moved_and_begun(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="running", rollout={"stage": "ahead"})
        assert run("switch", str(job.pk), "--at", "04:00")[0] == 0
        job.refresh_from_db()
        at = job.start_at
        assert at
        assert at > timezone.now()
        here = at.astimezone()
        assert (here.hour, here.minute) == (4, 0)
        assert run("switch", str(job.pk))[0] == 0
        job.refresh_from_db()
        assert job.start_at
        assert job.start_at <= timezone.now()
        with pytest.raises(SystemExit):
            run("switch", str(job.pk), "--at", "at four")

    def test_what_the_role_does_not_allow_is_refused(
        self, run: Run, squid: Game, mira: User
    ) -> None:
        job = factories.job(squid, hosts=1)
        Grant.objects.update(role=Role.VIEWER)
        assert run("cancel", str(job.pk))[0] == 3
        assert job.host_runs.get().state == "waiting"


class TestHosts:
    def test_the_inventory_is_listed(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1", port=2222, address="127.1.0.1")
        factories.host(factories.game("paper"), "p-1", pinned=False)
        _, out, _ = run("hosts")
        lines = [line.split() for line in out.splitlines()]
        assert ["eu-1", "squid", "game@127.1.0.1:2222", "pinned"] in lines
        assert "to approve" in out
        assert "p-1" not in run("hosts", "--game", "squid")[1]

    def test_the_hosts_of_a_job_are_listed(self, run: Run, squid: Game) -> None:
        job = factories.job(squid, hosts=1)
        job.host_runs.update(state="failed", holds_host=False, error="no route")
        _, out, _ = run("hosts", "--job", str(job.pk))
        assert [job.host_runs.get().name, "1", "failed", "no", "route"] in [
            line.split() for line in out.splitlines()
        ]

    def test_json_is_the_answer_of_the_api_unchanged(self, run: Run, squid: Game) -> None:
        factories.host(squid, "eu-1")
        _, out, _ = run("hosts", "--json")
        assert [host["name"] for host in json.loads(out)["hosts"]] == ["eu-1"]


class TestReaching:
    def test_where_nothing_answers_it_says_so(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = environment.Env(url="http://127.0.0.1:9", token=SecretStr("pw_x"))
        monkeypatch.setattr(local, "env", nowhere)
        status, out, err = run("hosts")
        assert (status, out) == (4, "")
        assert "127.0.0.1:9" in err

    def test_a_token_that_is_not_good_is_refused(
        self, run: Run, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale = environment.Env(url=live_server.url, token=SecretStr("pw_x"))
        monkeypatch.setattr(local, "env", stale)
        assert run("hosts")[0] == 3

    def test_another_instance_does_not_get_the_token_of_this_one(
        self, run: Run, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "keys").mkdir()
        monkeypatch.setattr(local, "env", environment.Env(url=live_server.url, home=tmp_path))
        status, _, err = run("hosts")
        assert status == 3
        assert "PATCHWAVE_TOKEN" in err
        assert not list((tmp_path / "keys").iterdir())

    def test_the_instance_of_this_machine_needs_no_token(
        self,
        run: Run,
        live_server: LiveServer,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        squid: Game,
    ) -> None:
        for name in ("keys", "run"):
            (tmp_path / name).mkdir()
        (tmp_path / "run" / "url").write_text(live_server.url)
        monkeypatch.setattr(local, "env", environment.Env(home=tmp_path))
        status, _, err = run("hosts")
        assert (status, err) == (0, "")
        kept = next((tmp_path / "keys").iterdir())
        assert kept.stat().st_mode & 0o777 == 0o600
        first = kept.read_text()

        assert run("hosts")[0] == 0
        assert kept.read_text() == first

        User.objects.exclude(username="mira").delete()
        assert run("hosts")[0] == 0
        assert kept.read_text() != first


def test_what_talks_to_the_api_does_not_wait_for_django() -> None:
    check = "import sys, webapp.cli.main; sys.exit('django.db' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], timeout=30, check=False).returncode == 0


def test_a_reader_that_leaves_early_is_no_error(run: Run, token: str, squid: Game) -> None:
    for _ in range(50):
        factories.host(squid)
    command = f"{sys.executable} -m webapp.cli hosts --json | true"
    site = local.env.url
    env = {**os.environ, "PATCHWAVE_URL": site, "PATCHWAVE_TOKEN": token}
    ended = subprocess.run(
        ["sh", "-c", command], env=env, capture_output=True, timeout=30, check=False
    )
    assert ended.stderr == b""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


class TestThisMachine:
    """The commands that act on the local instance, in processes and a home of their own."""

    def patchwave(self, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "webapp.cli", *arguments],
            env={
                **os.environ,
                "PATCHWAVE_HOME": str(home),
                "DJANGO_SETTINGS_MODULE": "webapp.settings",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_a_token_is_made_on_a_new_instance(self, home: Path) -> None:
        made = self.patchwave(home, "token", "anna", "--json")
        assert (made.returncode, made.stderr) == (0, "")
        assert json.loads(made.stdout)["token"].startswith("pw_")

    def test_a_file_is_imported(self, home: Path, tmp_path: Path) -> None:
        file = tmp_path / "inventory.yml"
        file.write_text("games:\n  - {name: squid, recipe: custom-script}\n")
        made = self.patchwave(home, "import", str(file))
        assert (made.returncode, made.stderr) == (0, "")
        assert "created" in made.stdout

    def test_a_file_that_is_wrong_is_refused_with_its_line(
        self, home: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "inventory.yml"
        file.write_text("games:\n  - {name: -x, recipe: custom-script}\n")
        made = self.patchwave(home, "import", str(file))
        assert (made.returncode, made.stdout) == (3, "")
        assert f"{file}:2" in made.stderr

    def test_a_file_that_is_not_there_is_refused(self, home: Path, tmp_path: Path) -> None:
        made = self.patchwave(home, "import", str(tmp_path / "none.yml"))
        assert made.returncode == 3
        assert "none.yml" in made.stderr
