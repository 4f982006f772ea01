"""Remote commands as values: what is sent to a host, built here and run elsewhere.

A `Program` is one command line and what goes to its standard input. The command line is always
the same, harmless to sh, csh and fish log-in shells and empty of scripts, nonces and secrets, so
that `ps` on the host shows nothing; the program itself follows on standard input.
The shell sources are in ``deploy_tasks/host/``; each file says what it does.
"""

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import ceil
from pathlib import Path
from typing import Literal

HOST_DIR = Path(__file__).parent / "host"
#: What ends a step whose time is over, or that shall end, and what that stands on.
WATCHING = ("state.sh", "nap.sh", "watch.sh")

#: A probe that has not answered by then is cut off, or when it is to be asked again (seconds).
CUT_AFTER = 10

#: A question that has no answer by then is ended on its host (seconds). Nobody waits for so long.
ASKED_WITHIN = 60

#: ``tail`` sends bytes as they are written; ``loop`` is for hosts whose tail cannot (busybox).
Follower = Literal["tail", "loop"]

#: Both end with the shell that started them, however that ends: once a plan is through, nothing is
#: written that would tell them that nobody reads any more.
FOLLOWERS: Mapping[Follower, str] = {
    "tail": "tail --pid=$$ -s .2 -c +{first} -f log",
    # Where the log cannot be read it stays all the same: how the runner is can be asked then, too.
    "loop": (
        "{{ tail -c +{first}; while kill -0 $$; do cat; sleep .1 || sleep 1; done; }}"
        " 2>/dev/null <log || while kill -0 $$; do sleep 1; done 2>/dev/null"
    ),
}

#: What the runner starts, with its number and what the watchdog must know, runs as its child alone:
#: without it nobody would learn how it ended. It notes who it is: nobody else need look for that.
OF_THE_RUNNER = (
    '[ "$PPID" = "$1" ]||exit;exec 2>&1 5<&-;read -r patchwave </proc/self/stat;'
    'set -- "$2" "$3" ${patchwave##*) };unset patchwave;'
    'printf \'%s\\n\' "$1 $$ $2:$$ ${22}" 1<>"${0%/*}/now";set --;'
)

#: Before each script of a recipe, on the line of its first line, so that sh names the recipe's own
#: line numbers.
WITH_VARIABLES = ". /proc/self/fd/3;exec 3<&- 4<&-;"


@dataclass(frozen=True)
class Program:
    """One exec: ``command`` is the line, ``stdin`` what follows it. Shown without its content."""

    command: str
    stdin: bytes = field(repr=False)


@dataclass(frozen=True)
class Probe:
    """Asked every ``every`` s until it has answered 0 for ``stable_for`` s, and ``times`` times in
    a row, ``at_most`` s long."""

    every: float
    stable_for: float
    at_most: float
    times: int = 2


@dataclass(frozen=True)
class Script:
    """One attempt of a plan: real ``sh`` text, run as ``sh -eu``. ``limit`` in seconds.

    One that ``brings`` the artifact has its text only for what is asked before it.
    """

    text: str
    limit: float
    done_if: str | None = None
    probe: Probe | None = None
    interrupt: Literal["now", "after"] = "now"
    optional: bool = False
    brings: bool = False


@dataclass(frozen=True)
class Artifact:
    """What a host has to have before a plan starts: it is asked for its bytes where it has not."""

    sha256: str
    size: int

    @property
    def path(self) -> str:
        """On a host, from the SSH user's home."""
        return f".patchwave/artifacts/{self.sha256}"


@dataclass(frozen=True)
class Variables:
    """What every script of a host run is given, as shell variables that are not exported.

    ``literal`` values are sh words already quoted (``"$HOME/…"``). All of them go over standard
    input and are never written to the host's disk; ``secret`` ones are never shown, either.
    """

    plain: Mapping[str, str]
    literal: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def assignments(self) -> str:
        lines = [f"{name}={shlex.quote(value)}" for name, value in self.plain.items()]
        return "\n".join(lines + [f"{name}={word}" for name, word in self.literal.items()])

    @property
    def secret_assignments(self) -> str:
        return "\n".join(f"{name}={shlex.quote(value)}" for name, value in self.secret.items())


def launch(
    plan: str,
    nonce: str,
    scripts: Sequence[Script],
    variables: Variables,
    *,
    run: int,
    artifact: Artifact | None = None,
    follower: Follower = "tail",
) -> Program:
    """Start a plan on the host, or follow it where it was started before: safe to send twice.

    A host that lacks the artifact answers ``wanted`` first, and goes on when its bytes have come.
    An upload that an earlier launch for the same host ``run`` has begun there is ended.
    """
    files: dict[str, str] = {}
    stage = ""
    if artifact:
        place = {"PATH": artifact.path, "SIZE": str(artifact.size), "SUM": artifact.sha256}
        stage = _source("parts.sh", "stage.sh", RUN=f"run{run}", **place) + "stage\n"
    for number, script in enumerate(scripts, 1):
        files |= _files_of(number, script)
    lay = "\n".join(f"printf %s {shlex.quote(text)} >{name} &&" for name, text in files.items())
    claim = _source(
        *(*WATCHING, "sick.sh", "launch.sh"),
        FILES=lay,
        STAGE=stage,
        NOTES="now why probe" if any(script.probe for script in scripts) else "now why",
        SLOTS=" ".join(["P"] * (2 * len(scripts) + 1)),
        RUNNER=_runner(scripts, variables),
    )
    return _program(plan, nonce, claim + _follow(follower, 0))


def attach(plan: str, nonce: str, offset: int, *, follower: Follower = "tail") -> Program:
    """Follow a plan that was launched before, from byte ``offset`` of its log."""
    source = _source(*WATCHING, "sick.sh", "attach.sh")
    return _program(plan, nonce, source + _follow(follower, offset))


def abandon(plan: str, nonce: str) -> Program:
    """Make it true that nothing of the plan ever starts, or learn that it has."""
    return _program(plan, nonce, _source("abandon.sh"))


def staged() -> str:
    """The script of a step that brings the artifact, which was done before the plan began."""
    return _source("staged.sh")


def cancel(plan: str, nonce: str, *, force: bool = False) -> Program:
    return _program(plan, nonce, _source("cancel.sh", WISHES="cancel force" if force else "cancel"))


def pause(plan: str, nonce: str) -> Program:
    """The step that runs is the plan's last."""
    return _program(plan, nonce, _source("cancel.sh", WISHES="pause"))


def end(plan: str, nonce: str) -> Program:
    """Ask a plan that nobody follows any more to end: ``quiet`` or ``busy``. Blocks its launch."""
    source = _source(*WATCHING, "unfollow.sh", "end.sh", PLAN=plan)
    return _program(plan, nonce, source)


def left(plan: str) -> tuple[Program, bytes]:
    """Asks what lives on of a plan that is lost; see left.sh. Answered as `ask` is."""
    nonce = new_nonce()
    program = _program(plan, nonce, _source("state.sh", "left.sh", PLAN=plan))
    return program, f"\x1e{nonce} H left ".encode()


def word(said: bytes, nonce: str) -> str:
    """Of the header that a short program ends with; empty where it has not printed it."""
    line, end, _ = said.partition(f"\x1e{nonce} H ".encode())[2].partition(b"\n")
    return line.split(b" ")[0].decode("ascii", "replace") if end else ""


def ask(text: str, variables: Variables) -> tuple[Program, bytes]:
    """A read-only question, answered on standard output behind the mark that is returned.

    It is ended on the host where its standard input ends first: hold that open (``Session.run``).
    One that takes long and is told so, by a line, is ended there after `ASKED_WITHIN`, too.
    """
    nonce = new_nonce()
    asked = f"eval {shlex.quote(text)}"
    if "wait" in text:
        # For all that it has started, and not for what is there to end it.
        asked = f"({asked})"
    body = f"{variables.assignments}\n{variables.secret_assignments}\n"
    body = f"{_source('ask.sh', LIMIT=str(ASKED_WITHIN))}{body}head_ answer\nset -eu\n{asked}\n"
    return _program("", nonce, body), f"\x1e{nonce} H answer ".encode()


def probe(text: str, variables: Variables, *, limit: float) -> tuple[Program, bytes]:
    """One probe of a wait outside of any plan, cut on the host after ``limit`` s. Answered as
    `ask` is, with the probe's exit status."""
    nonce, mark = new_nonce(), _mark()
    script = "\n".join([variables.assignments, variables.secret_assignments, text])
    body = "head_ answer\n" + _source("probe.sh", SCRIPT=script, CUT=_seconds(limit), MARK=mark)
    return _program("", nonce, body), f"\x1e{nonce} H answer ".encode()


def look(paths: Sequence[str]) -> tuple[Program, bytes]:
    """Asks what a job would need of the host; see look.sh. Answered as `ask` is."""
    return ask(_source("look.sh", PATHS=shlex.join(paths)), Variables(plain={}))


def sudo_rules(declared: Sequence[str], variables: Variables) -> tuple[Program, bytes]:
    """Asks whether these commands, sh words each, may be run by sudo; see sudo.sh."""
    source = _source("sudo.sh", COMMANDS="\n".join(f"may {command}" for command in declared))
    return ask(source, variables)


def sweep(plans: Sequence[str], *, keep_artifacts: int) -> Program:
    """Remove the directories of old plans, and all but the newest artifacts."""
    forget = "\n".join(f"forget {shlex.quote(plan)}" for plan in plans)
    places = {"FORGET": forget, "FIRST": str(keep_artifacts + 1)}
    return _program("", new_nonce(), _source("unfollow.sh", "parts.sh", "sweep.sh", **places))


def new_plan_id() -> str:
    return "p" + secrets.token_hex(10)


def new_nonce() -> str:
    """Frames the log's records. A letter first: behind \\036 a digit would be read as octal."""
    return "n" + secrets.token_hex(8)


def _program(plan: str, nonce: str, body: str) -> Program:
    """For a sh that reads it in large pieces from its standard input; ``read`` asks for each byte.

    In braces, so that nothing of it runs unless all of it came. Whoever has sent it waits for an
    answer before he sends more: sh may have read on by then.
    """
    head = (
        f"N={nonce}\nD=$HOME/.patchwave/runs/{plan}\n"
        "head_() { up=0; [ ! -r /proc/uptime ] || read -r up _ </proc/uptime; "
        'printf \'\\036%s H %s %s\\n\' "$N" "$1" "$up"; }\n'
    )
    return Program("exec sh", f"{{\n{head}{body}\nexit\n}}\n".encode())


def _follow(follower: Follower, offset: int) -> str:
    tail = FOLLOWERS[follower].format(first=offset + 1)
    return _source("unfollow.sh", "follow.sh", FOLLOWER=tail)


def _runner(scripts: Sequence[Script], variables: Variables) -> str:
    steps = []
    for number, script in enumerate(scripts, 1):
        optional = "optional" if script.optional else "needed"
        if _is_said(script):
            steps.append(f"bring {number} {optional}")
            continue
        flags, text = _begun(number, script)
        limit = f"{ceil(script.limit)} {script.interrupt}"
        steps.append(f"step {number} {flags} {limit} {optional} {shlex.quote(text)}")
    given = f"{variables.assignments}\n{variables.secret_assignments}"
    # What asks before it runs gives them twice.
    descriptors = "34" if any(script.done_if is not None for script in scripts) else "3"
    give = "".join(f"{descriptor}<<END " for descriptor in descriptors) + "5<<END"
    give += "\n$variables\nEND" * len(descriptors) + "\n$6\nEND"
    return _source("run.sh", STEPS="\n".join(steps), VARIABLES=shlex.quote(given), GIVE=give)


def _is_said(script: Script) -> bool:
    """Whether the runner itself says how it went: the artifact was brought before."""
    return script.brings and script.done_if is None


def _begun(number: int, script: Script) -> tuple[str, str]:
    """What the runner starts: sh's flags, and a text."""
    if script.done_if is not None:
        inner, flags = (f"{number}.wait", "-u") if script.probe else (f"{number}.sh", "-eu")
        asking = {"PROBE": f"{number}.if", "SCRIPT": inner, "FLAGS": flags}
        text = _source("unless.sh", NUMBER=str(number), **asking)
        return "-u", OF_THE_RUNNER + text
    if script.probe:
        return "-u", OF_THE_RUNNER + _waiting(number, script.probe)
    return "-eu", OF_THE_RUNNER + WITH_VARIABLES + script.text


def _files_of(number: int, script: Script) -> dict[str, str]:
    """What that text itself runs."""
    files = {}
    if script.probe or script.done_if is not None:
        files[f"{number}.sh"] = WITH_VARIABLES + script.text
    if script.done_if is not None:
        files[f"{number}.if"] = WITH_VARIABLES + script.done_if
        if script.probe:
            files[f"{number}.wait"] = _waiting(number, script.probe)
    return files


def _waiting(number: int, probe: Probe) -> str:
    return _source(
        *("nap.sh", "wait.sh"),
        PROBE=f"{number}.sh",
        CUT=str(ceil(max(probe.every, CUT_AFTER))),
        STABLE=str(round(probe.stable_for * 100)),
        TIMES=str(probe.times),
        MOST=str(round(probe.at_most * 100)),
        MOST_SAYS=f"{_seconds(probe.at_most)} s",
        EVERY=_seconds(probe.every),
    )


def _seconds(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _mark() -> str:
    return "E" + secrets.token_hex(8)


def _source(*names: str, **values: str) -> str:
    """Shell sources with their ``@NAME@`` places filled in one pass: values are never re-read."""
    text = "".join(map(_stripped, names))
    return re.sub(r"@([A-Z_]+)@", lambda place: values[place[1]], text)


@cache
def _stripped(name: str) -> str:
    """Without comments and indentation: bash reads a program byte by byte."""
    lines = (line.strip() for line in (HOST_DIR / name).read_text().splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))
