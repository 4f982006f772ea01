"""The shell sources for real, under every sh we find: launch, follow, wait, end, abandon."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.processes import gone
from deploy_tasks import commands, frames
from deploy_tasks.commands import Probe, Program, Script, Variables
from deploy_tasks.looking.found import Found
from tests.host_shell import (
    NONE,
    SHELLS,
    HostShell,
    ends,
    killed_after,
    output,
    pid_namespace,
    report,
)
from tests.waiting import until


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> HostShell:
    home = tmp_path / "home"
    home.mkdir()
    return HostShell(home, request.param)


def test_steps_run_in_order_with_their_variables(host: HostShell) -> None:
    hostile = 'it\'s $(touch pwned) `x` \\ "q"\nsecond line'
    scripts = [
        Script('printf %s "$what"', 10),
        Script("pwd; echo to-stderr >&2; read -r x || echo no input", 10),
    ]
    _, _, found = host.launch(scripts, Variables({"what": hostile}))
    assert output(found, 1) == hostile.encode()
    assert output(found, 2).decode() == f"{host.home}\nto-stderr\nno input\n"
    assert ends(found) == [(1, 0, "-"), (2, 0, "-")]
    assert found[-1] == frames.Finished("done")
    assert not (host.home / "pwned").exists()


def test_the_first_failure_ends_the_plan(host: HostShell) -> None:
    _, _, found = host.launch([Script("false; echo never", 10), Script("echo never", 10)])
    assert ends(found) == [(1, 1, "-")]
    assert found[-1] == frames.Finished("failed")


def test_an_unset_variable_is_a_failure(host: HostShell) -> None:
    _, _, found = host.launch([Script('echo "$nobody"', 10)])
    assert ends(found)[0][1] != 0


def test_an_optional_step_may_fail(host: HostShell) -> None:
    _, _, found = host.launch([Script("exit 3", 10, optional=True), Script("echo on", 10)])
    assert ends(found) == [(1, 3, "-"), (2, 0, "-")]


def test_done_if_skips_the_script(host: HostShell) -> None:
    scripts = [Script("echo made", 10, done_if="true"), Script("echo made", 10, done_if="false")]
    _, _, found = host.launch(scripts)
    assert ends(found) == [(1, 0, "skipped"), (2, 0, "-")]
    assert (output(found, 1), output(found, 2)) == (b"", b"made\n")


@pytest.mark.parametrize(
    ("script", "forks"), [(Script("true", 10), 1), (Script("true", 10, done_if="false"), 2)]
)
def test_a_step_costs_its_script_and_what_it_is_asked_for_and_no_process_more(
    host: HostShell, script: Script, forks: int
) -> None:
    """Each costs up to a millisecond a host. A watchdog's nap each second may come on top."""
    with pid_namespace() as inside:
        host.inside = inside

        def plan(steps: int) -> int:
            first = next_id(inside)
            host.launch([script] * steps)
            return next_id(inside) - first

        alone = plan(1)
        # A follower that polls takes some more.
        assert alone <= forks + (13 if host.follower == "tail" else 20)
        assert plan(31) - alone < 30 * (forks + 0.5)


def test_a_question_costs_its_shell_and_one_process(host: HostShell) -> None:
    with pid_namespace() as inside:
        host.inside = inside
        first = next_id(inside)
        host.run(commands.ask("cd /", NONE)[0])
        assert next_id(inside) - first - 1 == 2


def next_id(inside: Sequence[str]) -> int:
    """In a table of one's own numbers are given in order: so processes are counted."""
    return int(subprocess.check_output([*inside, "sh", "-c", "echo $$"]))


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_program_is_read_in_pieces(tmp_path: Path) -> None:
    """Byte by byte it would take as long as three steps. So bash reads it, and it is not alone."""
    (tmp_path / "home").mkdir()
    said = tmp_path / "said"
    inside = ["strace", "-o", str(said), "-e", "trace=read"]
    host = HostShell(tmp_path / "home", "dash", inside=inside)
    host.launch([Script("true", 10)])
    assert len(said.read_text().splitlines()) < 1000


def test_a_plan_makes_few_files(host: HostShell) -> None:
    """Some file systems take a quarter of a millisecond for each."""
    plan, _, _ = host.launch([Script("true", 10), Script("", 10, brings=True), Script("true", 10)])
    own = {"follower", "go.1", "log", "now", "st", "why"}
    assert {path.name for path in host.plan(plan).iterdir()} == own


def test_a_script_begins_with_nothing_but_its_variables(host: HostShell) -> None:
    script = Script('echo "$# ${patchwave-none} $a"', 10)
    _, _, found = host.launch([script], Variables({"a": "b"}))
    assert output(found, 1) == b"0 none b\n"


def test_a_long_script_and_long_variables_arrive_whole(host: HostShell) -> None:
    """Longer than a pipe takes at once."""
    lines = "".join(f": line {n}\n" for n in range(20_000))
    probe = Probe(every=0.1, stable_for=0, at_most=5, times=1)
    scripts = [
        Script(f"{lines}echo ${{#a}} ${{#b}}", 60),
        Script(f"{lines}echo ${{#a}} ${{#b}}", 60, done_if='test "${#a}" -ne 100000'),
        Script(f"{lines}echo ${{#a}} ${{#b}}", 60, probe=probe, done_if="false"),
    ]
    variables = Variables({"a": "x" * 100_000}, secret={"b": "y" * 100_000})
    _, _, found = host.launch(scripts, variables)
    assert [output(found, number) for number in (1, 2, 3)] == [b"100000 100000\n"] * 3
    assert ends(found) == [(number, 0, "-") for number in (1, 2, 3)]


def test_a_script_for_which_sh_has_no_room_says_so(tmp_path: Path) -> None:
    """Some put what comes by pipe into a file first: bash, where it is long or bash is old."""
    full = tmp_path / "full"
    full.mkdir()
    (tmp_path / "home").mkdir()
    mount = 'mount -t tmpfs -o size=4k none "$0" && echo full >"$0/file" && TMPDIR=$0 exec "$@"'
    inside = ["unshare", "--mount", "sh", "-c", mount, str(full)]
    if os.geteuid() != 0 or "bash" not in SHELLS:
        pytest.skip("needs bash, and to mount a small disk (root)")
    host = HostShell(tmp_path / "home", "bash", inside=inside)
    _, _, found = host.launch(
        [Script("echo begun", 10), Script(f"{':' * 100_000}\necho never", 10)]
    )
    assert output(found, 1) == b"begun\n"
    assert output(found, 2) == b"the script could not begin: is /tmp full, or too much running?\n"
    assert ends(found) == [(1, 0, "-"), (2, 1, "-")]


def test_sh_tells_of_a_script_by_its_own_line_numbers(host: HostShell) -> None:
    _, _, found = host.launch([Script(":\nnonesuch\n", 10)], Variables({"a": "two\nlines"}))
    assert re.search(rb"\b(line )?2: .*nonesuch", output(found, 1))


def test_sh_says_nothing_of_a_script_that_a_signal_has_ended(host: HostShell) -> None:
    _, _, found = host.launch([Script("echo said; kill -9 $$", 10)])
    assert output(found, 1) == b"said\n"
    assert ends(found) == [(1, 137, "-")]


def test_any_bytes_pass_unchanged(host: HostShell) -> None:
    text = "printf 'no newline \\036 \\377\\376\\000 end'"
    _, _, found = host.launch([Script(text, 10), Script("head -c 300000 /dev/zero", 10)])
    assert output(found, 1) == b"no newline \x1e \xff\xfe\x00 end"
    assert output(found, 2) == bytes(300_000)


def test_a_script_cannot_forge_the_end_of_a_step(host: HostShell) -> None:
    text = "cd .patchwave/runs/*; until [ -s log ]; do :; done; cat log >copy; cat copy; exit 4"
    _, _, found = host.launch([Script("echo one", 10), Script(text, 10)])
    assert ends(found) == [(1, 0, "-"), (2, 4, "-")]
    assert b" S 1 " in output(found, 2)


def test_a_second_launch_of_the_same_plan_only_follows(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    scripts = [Script("echo once >>count; echo said", 10)]
    programs = [
        commands.launch(plan, nonce, scripts, NONE, run=1, follower=host.follower) for _ in range(3)
    ]
    for program in programs:
        found = host.follow(nonce, program)
        assert output(found, 1) == b"said\n"
    assert (host.home / "count").read_text() == "once\n"


def test_a_program_that_was_cut_off_does_nothing(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    program = commands.launch(plan, nonce, [Script("touch ran", 10)], NONE, run=1)
    for cut in range(0, len(program.stdin) - 1, 97):
        with host.exec(Program(program.command, program.stdin[:cut])) as process:
            process.communicate(timeout=20)
    assert not (host.home / ".patchwave").exists()


def test_following_goes_on_from_any_byte(host: HostShell) -> None:
    script = Script("echo first; echo second", 10)
    plan, nonce, whole = host.launch([script, script])
    first = next(f for f in whole if isinstance(f, frames.Started))
    position = frames.Position()
    reader = frames.LogReader(nonce, position)
    log = (host.home / ".patchwave/runs" / plan / "log").read_bytes()
    reader.header = frames.Header("x", 0)
    reader.feed(log[:60])
    assert first.number == 1
    again = commands.attach(plan, nonce, position.offset, follower=host.follower)
    found = host.follow(nonce, again, position)
    assert output(found, 2) == b"first\nsecond\n"
    assert found[-1] == frames.Finished("done")


@pytest.mark.parametrize("slow", [False, True])
def test_an_upload_whose_connection_died_without_a_word_is_ended_by_the_next(
    host: HostShell, *, slow: bool
) -> None:
    """Also where a disk takes its time to give it its file."""
    strace = shutil.which("strace")
    if slow and not strace:
        pytest.skip("needs strace")
    content = b"build" * 100
    artifact = commands.Artifact(hashlib.sha256(content).hexdigest(), len(content))
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    launch = commands.launch(
        plan, nonce, [Script("true", 9)], NONE, run=1, artifact=artifact, follower=host.follower
    )
    place = host.home / artifact.path

    def is_asked_for() -> bool:
        return any(place.parent.glob("*.part"))

    if slow:
        delay = "inject=openat,open:delay_enter=200000"
        host.inside = [str(strace), "-o", "/dev/null", "-e", delay]
    with host.exec(launch) as cut_off:
        until(is_asked_for, "its bytes are asked for")
        host.inside = []
        with host.exec(launch) as again:
            until(lambda: cut_off.poll() is not None, "the first one is ended")
            until(is_asked_for, "they are asked for again")
            again.communicate(content, timeout=20)
    assert [path.read_bytes() for path in place.parent.iterdir()] == [content]
    until(lambda: host.running() == [], "nothing is left of it")


def test_whoever_follows_takes_the_place_of_an_earlier_follower(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    script = Script("touch begun; while [ ! -e go ]; do sleep .1; done; echo end", 60)
    first = host.exec(commands.launch(plan, nonce, [script], NONE, run=1, follower=host.follower))
    until(lambda: (host.home / "begun").exists(), "it has begun")
    second = host.exec(commands.attach(plan, nonce, 0, follower=host.follower))
    # Its standard input stays open, as on a connection that died without a word.
    assert first.wait(10) == -9
    (host.home / "go").touch()
    found = host.follow(nonce, commands.attach(plan, nonce, 0, follower=host.follower))
    assert output(found, 1) == b"end\n"
    for process in (first, second):
        process.communicate(timeout=10)


def test_a_step_is_ended_at_its_limit_while_nobody_watches(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    # "timeout" makes itself the first of a group of its own.
    probe = Probe(every=1, stable_for=0, at_most=60)
    scripts = [
        Script("echo begun; timeout 60 sleep 59", 1, optional=True),
        Script("timeout 60 sleep 59", 1, probe=probe),
    ]
    process = host.exec(commands.launch(plan, nonce, scripts, NONE, run=1, follower=host.follower))
    process.communicate(timeout=10)
    found = host.follow(nonce, commands.attach(plan, nonce, 0, follower=host.follower))
    assert ends(found) == [(1, 143, "timeout"), (2, 143, "timeout")]
    assert found[-1] == frames.Finished("failed")
    until(lambda: host.running() == [], "nothing is left of it")


def test_a_cancel_ends_the_script_and_its_children(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    script = Script("timeout 60 sh -c 'echo $$ >child; exec sleep 60'", 60)
    process = host.exec(commands.launch(plan, nonce, [script, script], NONE, run=1))
    until(lambda: (host.home / "child").exists() and (host.home / "child").read_text(), "a child")
    assert b"H wished" in host.run(commands.cancel(plan, nonce))
    found = host.follow(nonce, commands.attach(plan, nonce, 0, follower=host.follower))
    assert ends(found) == [(1, 143, "cancelled")]
    assert found[-1] == frames.Finished("cancelled")
    assert gone(int((host.home / "child").read_text()))
    process.communicate(timeout=10)


def test_a_pause_lets_the_running_step_end_and_starts_no_other(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    # It outlives the watchdog's next look, which finds nothing to end.
    text = "touch begun; while [ ! -e go ]; do sleep .1; done; sleep 1.2; echo done"
    process = host.exec(commands.launch(plan, nonce, [Script(text, 60)] * 2, NONE, run=1))
    until(lambda: (host.home / "begun").exists(), "it has begun")
    assert b"H wished" in host.run(commands.pause(plan, nonce))
    (host.home / "go").touch()
    found = host.follow(nonce, commands.attach(plan, nonce, 0, follower=host.follower))
    assert ends(found) == [(1, 0, "-")]
    assert found[-1] == frames.Finished("cancelled")
    process.communicate(timeout=10)


def test_a_cancel_waits_for_a_step_that_must_not_be_interrupted(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    text = "touch begun; while [ ! -e go ]; do sleep .1; done; echo saved"
    scripts = [Script(text, 60, interrupt="after"), Script("echo never", 60)]
    process = host.exec(commands.launch(plan, nonce, scripts, NONE, run=1))
    until(lambda: (host.home / "begun").exists(), "it has begun")
    host.run(commands.cancel(plan, nonce))
    (host.home / "go").touch()
    found = host.follow(nonce, commands.attach(plan, nonce, 0, follower=host.follower))
    assert ends(found) == [(1, 0, "-")]
    assert found[-1] == frames.Finished("cancelled")
    process.communicate(timeout=10)


def test_what_a_step_started_as_its_own_session_lives_on(host: HostShell) -> None:
    text = "setsid sh -c 'echo $$ >game; exec sleep 30' >/dev/null 2>&1 </dev/null & sleep 60"
    _, _, found = host.launch([Script(text, 1)])
    assert ends(found)[0][2] == "timeout"
    pid = int((host.home / "game").read_text())
    assert not gone(pid)
    os.kill(pid, 9)


def test_a_plan_that_was_abandoned_never_starts(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    assert b"H abandoned" in host.run(commands.abandon(plan, nonce))
    answer = host.run(commands.launch(plan, nonce, [Script("touch ran", 10)], NONE, run=1))
    assert b"H noplan" in answer
    assert not (host.home / "ran").exists()


def test_a_plan_is_abandoned_as_often_as_asked(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    for _ in range(3):
        assert b"H abandoned" in host.run(commands.abandon(plan, nonce))


def test_a_plan_that_has_started_cannot_be_abandoned(host: HostShell) -> None:
    plan, nonce, _ = host.launch([Script("true", 10)])
    assert b"H started" in host.run(commands.abandon(plan, nonce))


def test_a_wait_is_good_after_it_was_stable(host: HostShell) -> None:
    text = (
        'read -r up _ </proc/uptime; echo "$up" >>asked; n=$(wc -l <asked);'
        'echo "seen $((n > 2))"; test "$n" -gt 2'
    )
    probe = Probe(every=0.1, stable_for=0.3, at_most=20)
    _, _, found = host.launch([Script(text, 60, probe=probe)])
    assert ends(found) == [(1, 0, "-")]
    assert output(found, 1) == b"seen 0\nseen 1\n"
    asked = [float(at) for at in (host.home / "asked").read_text().split()]
    assert asked[-1] - asked[2] >= 0.2, "between the first and the last that was good"


def test_a_probe_that_hangs_is_cut_off(host: HostShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "CUT_AFTER", 1)
    text = "echo x >>asked; if [ ! -e once ]; then touch once; sleep 60; fi"
    probe = Probe(every=0.1, stable_for=0, at_most=30)
    _, _, found = host.launch([Script(text, 60, probe=probe)])
    assert ends(found) == [(1, 0, "-")]
    until(lambda: host.running() == [], "nothing is left of it")


def test_a_wait_gives_up_in_the_end(host: HostShell) -> None:
    probe = Probe(every=0.1, stable_for=5, at_most=0.5)
    _, _, found = host.launch([Script("exit 3", 60, probe=probe)])
    assert ends(found) == [(1, 1, "-")]
    assert b"gave up after 0.5 s: the last probe ended with exit status 3" in output(found, 1)


def test_secrets_reach_the_script_and_no_file(host: HostShell) -> None:
    secret = "s3cret'$(x)\nline"
    variables = Variables({"a": "b"}, secret={"password": secret})
    probe = Probe(every=0.1, stable_for=0, at_most=5)
    scripts = [
        Script('printf %s "$password"; env', 10),
        Script('printf %s "$password"', 10, done_if='test "$password" = wrong'),
        Script('printf %s "$password"', 10, probe=probe),
    ]
    plan, _, found = host.launch(scripts, variables)
    assert [output(found, n).startswith(secret.encode()) for n in (1, 2, 3)] == [True] * 3
    assert b"password=" not in output(found, 1)
    files = (host.home / ".patchwave/runs" / plan).iterdir()
    leaks = [f.name for f in files if f.name != "log" and b"s3cret" in f.read_bytes()]
    assert leaks == ["3.sh.out"]


def test_the_runner_says_how_it_is(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    script = Script("echo here; exec sleep 60", 60)
    process = host.exec(commands.launch(plan, nonce, [script], NONE, run=1, follower=host.follower))
    now = host.home / ".patchwave/runs" / plan / "now"
    until(lambda: now.exists() and now.read_text().startswith("1 "), "the first step runs")
    pid = int(now.read_text().split()[1])
    assert report(process, nonce).word == "alive"
    runner = int((now.parent / "st").read_text().split()[1])
    os.kill(runner, 9)
    until(lambda: report(process, nonce).word == "orphan", "that is told")
    os.killpg(pid, 9)
    until(lambda: gone(pid), "its script is gone")
    # Its relay may be at work still.
    dead = until(
        lambda: said if (said := report(process, nonce)).word == "dead" else None, "that is told"
    )
    assert [slot[:2] for slot in dead.slots] == [("S", "1")]
    assert dead.size == (now.parent / "log").stat().st_size
    process.communicate(timeout=10)


def test_a_look_is_answered_in_lines(host: HostShell) -> None:
    program, mark = commands.look([str(host.home), "/no such directory"])
    _noise, found, answer = host.run(program).partition(mark)
    told = [line.partition(" ") for line in answer.decode().splitlines()[1:]]
    assert found
    assert abs(int(next(rest for word, _, rest in told if word == "time")) - time.time()) < 10
    assert [rest for word, _, rest in told if word == "disk"] == [str(host.home)] * 2
    assert [rest for word, _, rest in told if word == "missing"] == []


def test_a_question_that_hangs_ends_with_whoever_asked(host: HostShell) -> None:
    """A link that is cut, a worker that is killed, or one that has waited long enough."""
    text = "setsid sleep 60 & echo asked; sleep 60; sleep 60"
    with host.exec(commands.ask(text, NONE)[0]) as process:
        assert process.stdout
        assert process.stdin
        until(lambda: b"asked\n" in process.stdout.readline(), "it is asked")
        until(lambda: sum("sleep 60" in line for line in host.running()) == 2, "it hangs")
        process.stdin.close()
        until(lambda: host.running() == [], "nothing is left of it")


def test_a_question_whose_link_died_without_a_word_ends_by_itself(
    host: HostShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ASKED_WITHIN", 1)
    text = "setsid sleep 60 & echo asked; sleep 60"
    with host.exec(commands.ask(text, NONE)[0]) as process:
        assert process.stdout
        assert process.stdin
        until(lambda: b"asked\n" in process.stdout.readline(), "it is asked")
        process.stdin.write(b"\n")
        process.stdin.flush()
        until(lambda: host.running() == [], "nothing is left of it")


def test_a_question_that_takes_long_leaves_nothing_behind(host: HostShell) -> None:
    """Nor does what would have ended it, while whoever asked is there still."""
    with host.exec(commands.ask("echo asked; sleep 2; echo answered", NONE)[0]) as process:
        assert process.stdout
        assert process.stdin
        until(lambda: b"asked\n" in process.stdout.readline(), "it is asked")
        process.stdin.write(b"\n")
        process.stdin.flush()
        until(lambda: "sleep 1" in host.running(), "its time is kept")
        assert process.stdout.read() == b"answered\n"
        until(lambda: host.running() == [], "nothing is left of it", seconds=5)


@pytest.mark.parametrize(
    ("text", "said", "status"),
    [
        ("echo 1; read -r x || echo no input", b"1\nno input\n", 0),
        ("echo 2 & wait; exit 4", b"2\n", 4),
        ("exec sh -c 'echo 3; exit 5'", b"3\n", 5),
        ("trap 'echo 4' EXIT; false; echo never", b"4\n", 1),
        ("echo 5; if", b"", 2),
    ],
)
def test_a_question_is_a_script_as_any_other(
    host: HostShell, text: str, said: bytes, status: int
) -> None:
    program, mark = commands.ask(text, NONE)
    with host.exec(program) as process, killed_after(20, process):
        assert process.stdout
        assert process.stdin
        answer = process.stdout.read()
        assert answer.partition(mark)[2].partition(b"\n")[2] == said
        assert process.wait(10) == status
        process.stdin.close()
    until(lambda: host.running() == [], "nothing is left of it")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o777])
def test_s35_a_look_tells_of_files_that_others_may_write(host: HostShell, mode: int) -> None:
    program, mark = commands.look([])
    assert b"\nopen " not in host.run(program)
    (host.home / ".patchwave").mkdir(mode=0o700)
    assert b"\nopen " not in host.run(program)
    (host.home / ".patchwave").chmod(mode)
    answer = host.run(program).partition(mark)[2]
    assert Found.read(answer.decode()).open == str(host.home / ".patchwave")


@pytest.mark.parametrize("where", [".patchwave", ".patchwave/runs"])
@pytest.mark.parametrize("kind", ["link", "of somebody else"])
def test_s35_nothing_is_started_where_another_could_have_laid_it(
    host: HostShell, where: str, kind: str, tmp_path: Path
) -> None:
    path = host.home / where
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if kind == "link":
        (elsewhere := tmp_path / "elsewhere").mkdir()
        path.symlink_to(elsewhere)
    elif os.getuid() != 0:
        pytest.skip("only root can give a directory to somebody else")
    else:
        path.mkdir()
        os.chown(path, 12345, 12345)
    nonce = commands.new_nonce()
    script = Script("touch ran", 10)
    program = commands.launch(commands.new_plan_id(), nonce, [script], NONE, run=1, follower="loop")
    assert b" foreign" in host.run(program)
    assert not (host.home / "ran").exists()
    assert kind != "link" or not list(elsewhere.iterdir())


@pytest.mark.parametrize("kind", ["tail", "loop"])
def test_a_follower_ends_with_its_shell(host: HostShell, kind: commands.Follower) -> None:
    """However that ends. The plan is through: nothing will come that could not be written to a
    connection that is gone."""
    if kind == "tail" and host.follower != kind:
        pytest.skip("its tail cannot follow")
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    process = host.exec(
        commands.launch(plan, nonce, [Script("true", 20)], NONE, run=1, follower=kind)
    )
    log = host.plan(plan) / "log"
    until(lambda: log.exists() and b" Z done" in log.read_bytes(), "it is through")
    followers = until(lambda: followers_of(process.pid), "it is followed")
    process.kill()
    process.wait(10)
    until(lambda: all(gone(pid) for pid in followers), "they are gone")
    process.communicate(timeout=10)
    until(lambda: host.running() == [], "nothing is left on the host")


def followers_of(shell: int) -> list[int]:
    """Its children that read the log; the others are the runner and what relays its output."""
    children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    return [pid for pid in map(int, children) if _reads_log(pid)]


def _reads_log(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        files = [file for file in Path(f"/proc/{pid}/fd").iterdir() if file.name != "1"]
        return any(file.readlink().name == "log" for file in files)
    return False


def test_a_runner_has_nothing_of_the_connection_that_launched_it(host: HostShell) -> None:
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    script = Script("touch begun; while [ ! -e over ]; do sleep .1; done", 20)
    process = host.exec(commands.launch(plan, nonce, [script], NONE, run=1, follower=host.follower))
    until(lambda: (host.home / "begun").exists(), "it has begun")
    # Both of its outputs end: else the channel would stay open for as long as the plan runs.
    process.communicate(timeout=10)
    runner = int((host.home / ".patchwave/runs" / plan / "st").read_text().split()[1])
    assert not gone(runner)
    (host.home / "over").touch()
    until(lambda: host.running() == [], "it ends")


def test_a_host_without_setsid_says_so(host: HostShell) -> None:
    if host.shell == "busybox":
        (host.bin / "setsid").unlink()
    host.env["PATH"] = str(host.bin)
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    launch = commands.launch(plan, nonce, [Script("touch ran", 10)], NONE, run=1)
    assert commands.word(host.run(launch), nonce) == "nosetsid"
    assert not (host.home / ".patchwave").exists()


def test_a_host_without_proc_says_so(host: HostShell) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can unmount it for itself")
    host.inside = ["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    nonce, script = commands.new_nonce(), Script("touch ran", 10)
    launch = commands.launch(commands.new_plan_id(), nonce, [script], NONE, run=1)
    reader = frames.LogReader(nonce, frames.Position())
    reader.feed(host.run(launch))
    assert reader.header == frames.Header("noproc", 0.0)
    assert not (host.home / ".patchwave").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_nobody_else_sees_what_lies_on_the_host(tmp_path: Path, shell: str) -> None:
    (tmp_path / "home").mkdir()
    host = HostShell(tmp_path / "home", shell, inside=["sh", "-c", 'umask 022; exec "$@"', "sh"])
    plan, _, found = host.launch([Script("umask", 10)])
    own = host.home / ".patchwave"
    assert [path.stat().st_mode & 0o777 for path in (own, own / "runs", own / "runs" / plan)] == [
        0o700
    ] * 3
    assert output(found, 1) == b"0022\n", "the log-in's own"
