"""Which line tells why, and which lines tell the same."""

import json
import re
from pathlib import Path

import pytest

from deploy_tasks import causes

MARKED = json.loads((Path(__file__).parent / "mark_cases.json").read_text())


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        ("one\ntwo\n\n", ""),
        (
            "tar: paper.jar: Cannot write: No space left on device\n"
            "tar: Exiting with failure status due to previous errors\n",
            "tar: paper.jar: Cannot write: No space left on device",
        ),
        (
            "\x1b[31mERROR: Failed to bind to 0.0.0.0:25565\x1b[0m\n"
            "bind(..) failed: Address already in use\nstopping\n",
            "bind(..) failed: Address already in use",
        ),
        (
            "a.c:3: error: no ;\nmake: *** [all] Error 2\nmake: Leaving directory\n",
            "a.c:3: error: no ;",
        ),
        ("checked: 0 errors\nthe disk is odd\n", ""),
        ("sh: ./ctl: not found\ncleaning up\n", "sh: ./ctl: not found"),
        ("10%\r20%\rfailed\n", "failed"),
        # The check cannot reach the game; why, the game has said before.
        (
            "Error: LinkageError occurred\njava.lang.UnsupportedClassVersionError: 65.0\n"
            "[watch] server exited\nconnect: connection refused on port 25565\nno answer\n",
            "java.lang.UnsupportedClassVersionError: 65.0",
        ),
        (
            "[02:14:12 ERROR]: Could not load 'plugins/A.jar'\n"
            "[02:14:13 ERROR]: world was saved by a newer version (4440 > 4325)\n"
            "[02:14:13 INFO]: Stopping\nhealth: connection refused\nhealth: gave up after 90 s\n",
            "[02:14:13 ERROR]: world was saved by a newer version (4440 > 4325)",
        ),
        (
            "error: a.pak: its signature does not match\nunpack: 1 of 214 files refused\n",
            "error: a.pak: its signature does not match",
        ),
        (
            "[03:10 WARN]: plugin threw SomeException\ncurl: (7) Connection refused\n",
            "curl: (7) Connection refused",
        ),
        (
            "ConnectException: Connection refused\nstopping\n",
            "ConnectException: Connection refused",
        ),
        # What merely closes the matter tells less than what was said before.
        (
            "ERROR plugin  Bridge 2.1.0 wants api 14, this server has 15\nWARN metrics: none\n"
            "INFO  db  pool closed\nFATAL main  not started, status 78\n",
            "ERROR plugin  Bridge 2.1.0 wants api 14, this server has 15",
        ),
        (
            "cannot open world/level.dat\nerror: shutting down\nFATAL: exited with code 3\n",
            "cannot open world/level.dat",
        ),
        ("error: a is bad\nOut of memory, exiting\n", "Out of memory, exiting"),
        (
            "INFO  try 3/3\nINFO    tls: certificate is not yet valid: local time 2024-02-02\n"
            "ERROR manifest failed after 3 tries\n",
            "INFO    tls: certificate is not yet valid: local time 2024-02-02",
        ),
        (
            "INFO  network.toml: open for writing: permission denied\nat config.Writer:41\n"
            "ERROR update failed, see above\n",
            "INFO  network.toml: open for writing: permission denied",
        ),
        (
            "INFO  044_ranks: schema 41, expected 43\nmigration ended with code 3\n",
            "INFO  044_ranks: schema 41, expected 43",
        ),
        ("ERROR manifest failed after 3 tries\n", "ERROR manifest failed after 3 tries"),
        ("loading\nFATAL main  not started, status 78\n", "FATAL main  not started, status 78"),
        ("FATAL: exiting: no licence\nstopping\n", "FATAL: exiting: no licence"),
        (
            "bin/game: error while loading shared libraries: libssl.so.1.1: cannot open shared "
            "object file: No such file or directory\nserver ended, status 127\nerror: no server\n",
            "bin/game: error while loading shared libraries: libssl.so.1.1: cannot open shared "
            "object file: No such file or directory",
        ),
        (
            "run.sh: line 9:   412 Killed                  java -jar a.jar\n[x ERROR]: no pid\n",
            "run.sh: line 9:   412 Killed                  java -jar a.jar",
        ),
    ],
)
def test_the_line_that_tells_most_is_found(output: str, line: str) -> None:
    assert causes.telling(output) == line


@pytest.mark.parametrize(
    ("one", "other", "cause"),
    [
        (
            "tar: paper-1.21.8.jar: Cannot write: No space left on device",
            "cp: error writing '/srv/x': no space left on device",
            "No space left on device",
        ),
        (
            "cp: cannot stat '/srv/eu-1/releases/1.2/a.jar': No such file or directory",
            "cp: cannot stat '/opt/us-7/releases/9.1.3/a.jar': No such file or directory",
            "cp: cannot stat '…/a.jar': No such file or directory",
        ),
        (
            "line 12: pid 4812 at 0x7f3a killed",
            "line 9: pid 77 at 0xbeef01 killed",
            "line …: pid … at … killed",
        ),
        (
            "[03:10:16 ERROR]: plugin 7 is bad",
            "[03:11:09 ERROR]: plugin 12 is bad",
            "plugin … is bad",
        ),
        (
            "build 3f2504e0-4f89-11d3-9a0c-0305e82c3301 is corrupt",
            "build 9b2d04e0-4f89-11d3-9a0c-0305e82c3302 is corrupt",
            "build … is corrupt",
        ),
        (
            "GET https://mirror.example/a/1.jar failed",
            "GET https://other.example/b/2.jar failed",
            "GET … failed",
        ),
        (
            "eu-1 run[41]: bin/game: error while loading shared libraries: libssl.so.1.1: cannot "
            "open shared object file: No such file or directory",
            "eu-2 run[7]: error while loading shared libraries: libssl.so.1.1: cannot open shared "
            "object file",
            "error while loading shared libraries: libssl.so.1.1: cannot open shared object file",
        ),
    ],
)
def test_what_differs_from_host_to_host_is_folded(one: str, other: str, cause: str) -> None:
    assert causes.cause(one) == causes.cause(other) == cause


def test_only_a_program_that_names_what_it_died_of_is_more_than_a_sign() -> None:
    output = (
        "ERROR b is bad\nlistening\nconnect: Connection refused\nERROR a is bad\n"
        "java.net.ConnectException: Connection refused\nSegmentation fault\nFATAL: exiting\n"
    )
    assert causes.named(output) == ["Segmentation fault", "ERROR a is bad", "ERROR b is bad"]
    assert causes.named("no players\nWARN no gateway\n12 Killed zombies\nready\n") == []
    assert causes.is_sign("ConnectException: Connection refused")
    assert not causes.is_sign("bind: Address already in use")


def test_a_line_right_above_that_names_trouble_too_is_told_with_it() -> None:
    output = "ready\nERROR a wants 14, not 15\n\nERROR a is required\nWARN c\nFATAL: d\n"
    assert causes.above(output, "ERROR a is required") == "ERROR a wants 14, not 15"
    assert (
        causes.above(output, "ERROR a wants 14, not 15") == causes.above(output, "FATAL: d") == ""
    )
    assert causes.above("error: a\nerror: a\n", "error: a") == causes.above("", "") == ""


def test_a_host_is_not_named_in_its_cause() -> None:
    said = causes.cause("eu-1 (192.0.2.7) does not answer", names=("eu-1", "192.0.2.7"))
    assert said == "… (…) does not answer"


def test_another_exit_status_is_another_cause() -> None:
    said = [causes.cause(f"step “health” ended with exit status {n}") for n in (1, 137)]
    assert said == [f"step “health” ended with exit status {n}" for n in (1, 137)]


def test_a_cause_is_never_empty_and_never_long() -> None:
    assert causes.cause("12345") == "…"
    assert len(causes.cause("x" * 5000)) == causes.LONGEST


def test_a_line_that_tells_turns_no_direction() -> None:
    assert causes.plain("error: \u202egnp.exe\u2066") == r"error: \u202egnp.exe\u2066"


def test_what_is_usual_tells_nothing() -> None:
    output = "bad: 41 chunks at eu-1\nfetched anew\n"
    usual = {causes.shape("bad: 3 chunks at us-7", ["us-7"])}
    assert causes.telling(output, usual=usual, names=["eu-1"]) == ""
    # The words of the system are those of many lines.
    output = "telemetry: Connection refused\nport 7777: Connection refused\n"
    usual = {causes.shape("telemetry: Connection refused", [])}
    assert causes.telling(output, usual=usual) == "port 7777: Connection refused"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        ("one\ntwo\n\n", "two"),
        ("checked: 0 errors\nthe disk is odd\n", "the disk is odd"),
        (
            "it says 7.1.3, want 7.2.0\n"
            "gave up after 90.5 s: the last probe ended with exit status 1\n",
            "it says 7.1.3, want 7.2.0",
        ),
        (
            "gave up after 9 s: the last probe ended with exit status 1\n",
            "gave up after 9 s: the last probe ended with exit status 1",
        ),
    ],
)
def test_the_last_line_is_what_the_host_said_where_it_said_anything(output: str, line: str) -> None:
    assert causes.last(output) == line


def test_the_browser_marks_lines_by_our_patterns_and_by_no_others() -> None:
    assert MARKED["marks"] == causes.MARKS, "these are what tests/js/wrong.test.mjs judges by"

    def looks(line: str, kind: str) -> bool:
        line = causes.plain(line)
        flags = {"": 0, "i": re.IGNORECASE}
        return any(re.search(text, line, flags[flag]) for text, flag in causes.MARKS[kind])

    for line in [*MARKED["wrong"], *MARKED["harmless"]]:
        marked = looks(line, "wrong") and not looks(line, "harmless")
        assert marked == (line in MARKED["wrong"]), line


def test_every_line_that_names_a_cause_is_marked() -> None:
    for line in filter(causes.is_named, [*MARKED["wrong"], *MARKED["harmless"]]):
        assert line in MARKED["wrong"]


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        (causes._PLAIN, causes.PLAIN),
        (causes._AWAY, causes.AWAY),
        (causes._DEAD, [line for line in MARKED["wrong"] if "lib" in line or "Killed" in line]),
        (causes._DEAD, ["version `GLIBC_2' not found", "Exec format error", "(core dumped)"]),
        (causes._IDLE, ["0 Errors", "No failures", "without error", "Previous error", "*** a"]),
        (causes._IDLE, ["0 failed", "A complete log of this run", "make: Leaving directory 'x'"]),
        (causes._CLOSING, ["Exiting", "quit", "ended", "terminated", "Aborted", "stopped 3"]),
        (causes._CLOSING, ["not started", "died", "crashed", "Shutting down", "giving up"]),
        (causes._CLOSING, ["gave up", "no, after 3 tries", "see above", "see the logs"]),
    ],
)
def test_no_line_is_lost_for_want_of_a_hint(pattern: causes._Hinted, lines: list[str]) -> None:
    for line in lines:
        for said in (line, line.upper()):
            assert bool(pattern.search(said)) == bool(
                re.search(pattern.pattern, said, pattern.flags)
            )
        assert pattern.search(line), line
