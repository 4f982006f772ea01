"""What must be true of every job that has come to rest, whatever was done to it on the way.

Reads the rows and the hosts' files, and shares no code with what it judges.
"""

import contextlib
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from demo import processes
from demo.fleet import Fleet, FleetHost
from deploy_tasks import cksum
from deploy_tasks.models import Attempt, Event, HostRun, Job
from tests.waiting import until

#: The first line of every script: its own path, which ends in plan and number.
COUNT = 'echo "$0" >>started'

ENDED = {"succeeded", "skipped", "failed"}
RESTING = {"succeeded", "skipped", "failed", "cancelled", "rolled_back"}


def assert_world_ok(
    fleet: Fleet, job: Job, *, repeated: Iterable[str] = (), left_behind: Iterable[str] = ()
) -> None:
    """Each script started at most once (I1), every byte stored once (I2), nothing open without
    a lease (I3), no lock without an owner (I4), events without a gap, nothing left on a host.

    ``repeated``: steps that were right to have more than one attempt that started.
    ``left_behind``: programs that may run on, such as a game.
    """
    job.refresh_from_db()
    _events_have_no_gap(job)
    hosts = {host.name: host for host in fleet.hosts}
    for run in job.host_runs.all():
        host = hosts[run.name]
        _each_script_started_once(run, host, set(repeated))
        _what_is_stored_is_the_hosts(run, host)
        _nothing_is_open_without_a_lease(run)
        _each_end_is_told_once(run)
    _every_lock_has_an_owner(job)
    _nothing_is_left_on_hosts(fleet, set(left_behind))


def started(host: FleetHost) -> Counter[str]:
    """How often the script of each attempt was started, by its uid."""
    file = host.home / "started"
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(f"{Path(line).parent.name}.{Path(line).stem}" for line in lines)


def _each_script_started_once(run: HostRun, host: FleetHost, repeated: set[str]) -> None:
    counted = started(host)
    attempts = {one.uid: one for one in run.attempts.all()}
    steps: Counter[tuple[str, str]] = Counter()
    for uid, attempt in attempts.items():
        times = counted[uid]
        assert times <= 1, f"{uid} ({attempt.name}) was started {times} times"
        if attempt.state in ("new", "abandoned"):
            assert times == 0, f"{uid} ({attempt.name}) is {attempt.state}, and was started"
        steps[attempt.name, attempt.kind] += times
    for (name, kind), times in steps.items():
        assert times <= 1 or name in repeated, f"{run}: {kind} {name} was started {times} times"


def _what_is_stored_is_the_hosts(run: HostRun, host: FleetHost) -> None:
    plans: dict[str, list[Attempt]] = {}
    for attempt in run.attempts.all():
        plans.setdefault(attempt.uid.partition(".")[0], []).append(attempt)
    for plan, attempts in plans.items():
        log = host.home / ".patchwave/runs" / plan / "log"
        whole = log.read_bytes() if log.exists() else None
        for attempt in attempts:
            stored = _stored(attempt)
            assert attempt.log_offset == len(stored), attempt
            if whole is not None and attempt.state not in ("new", "abandoned"):
                number = int(attempt.uid.partition(".")[2])
                region = _region(whole, number)
                if attempt.reason.startswith("given up"):  # nobody has read on
                    region = region[: len(stored)]
                at = next(
                    (
                        i
                        for i, pair in enumerate(zip(stored, region, strict=False))
                        if pair[0] != pair[1]
                    ),
                    min(len(stored), len(region)),
                )
                assert stored == region, (
                    f"{attempt} {attempt.name} {attempt.state}: {len(stored)} bytes are stored, "
                    f"the host has {len(region)}; first difference at {at}"
                )
        if whole is not None and plan == run.plan:
            _checksum_fits(run, log)


def _stored(attempt: Attempt) -> bytes:
    pieces, at = [], 0
    for event in Event.objects.filter(attempt=attempt, kind="output").order_by("seq"):
        assert event.offset == at, f"{attempt}: a piece at {event.offset} follows byte {at}"
        assert event.raw_length == len(event.output or b"")
        at += event.raw_length or 0
        pieces.append(bytes(event.output or b""))
    return b"".join(pieces)


def _region(log: bytes, number: int) -> bytes:
    """What script ``number`` printed: what stands between its records, and up to the end of the
    log where it has no second one."""
    nonce = re.match(rb"\x1e(n[0-9a-f]{16}) S 1 ", log)
    if not nonce:
        return b""
    begin = re.search(rb"\x1e%s S %d [\d.]+\n" % (nonce[1], number), log)
    if not begin:
        return b""
    # Copies of earlier records are text; of later ones there are none.
    end = re.compile(rb"\x1e%s E %d " % (nonce[1], number)).search(log, begin.end())
    return log[begin.end() : end.start() if end else len(log)]


def _checksum_fits(run: HostRun, log: Path) -> None:
    with log.open("rb") as file:
        head = file.read(run.plan_offset)
    said = subprocess.run(["cksum"], input=head, capture_output=True, check=True).stdout.split()
    assert int(said[0]) == cksum.total(run.plan_cksum, run.plan_offset), f"{run}: checksum"


def _nothing_is_open_without_a_lease(run: HostRun) -> None:
    open_ = run.attempts.filter(state__in=["new", "running"])
    if run.state in RESTING:
        assert not open_.exists(), f"{run} is {run.state}, and has {list(open_.values())}"
        assert (run.owner, run.lease_until) == ("", None)
    if run.state == "running":
        assert run.lease_until or run.wake_at, f"{run} runs without a lease"


def _each_end_is_told_once(run: HostRun) -> None:
    for attempt in run.attempts.all():
        events = Event.objects.filter(attempt=attempt, kind="step").order_by("seq")
        told = [(event.data or {})["to"] for event in events]
        if attempt.state in ("new", "abandoned"):
            assert told == [], f"{attempt} is {attempt.state}: {told}"
            continue
        # One that is lost may not have been seen to start, and a person may know more of it.
        beginnings = ([], ["running"], ["lost"], ["running", "lost"])
        assert told[-1] == attempt.state, f"{attempt} is {attempt.state}: {told}"
        assert attempt.state == "running" or told[:-1] in beginnings, f"{attempt}: {told}"


def _every_lock_has_an_owner(job: Job) -> None:
    over = job.state in ("succeeded", "failed", "cancelled")
    for run in job.host_runs.filter(holds_host=True):
        assert not over, f"{run} holds its host in a job that is {job.state}"
        assert run.state not in RESTING, f"{run} is {run.state}, and holds its host"
    if over:
        assert set(job.host_runs.values_list("state", flat=True)) <= RESTING


def _events_have_no_gap(job: Job) -> None:
    before = job.last_seq
    seqs = list(Event.objects.filter(job=job).order_by("seq").values_list("seq", flat=True))
    job.refresh_from_db()
    assert seqs == list(range(1, len(seqs) + 1))
    # The conductor may have had a word since.
    assert before <= len(seqs) <= job.last_seq


def _nothing_is_left_on_hosts(fleet: Fleet, left_behind: set[str]) -> None:
    with contextlib.suppress(AssertionError):
        until(lambda: not left_on(fleet, left_behind), "nothing runs any more", seconds=15)
    left = left_on(fleet, left_behind)
    assert not left, f"left on hosts: {left}"


def left_on(fleet: Fleet, but_not: Iterable[str] = ()) -> list[str]:
    """What was started over SSH and runs still: pids and command lines."""
    mark = f"FLEET={fleet.mark['FLEET']}".encode()
    found = []
    for pid in processes.running():
        line = b" ".join(processes.words(pid, "cmdline")).decode(errors="replace").strip()
        ours = pid != os.getpid() and mark in processes.words(pid, "environ")
        if ours and line and "sshd" not in line and not any(name in line for name in but_not):
            found.append(f"{pid}: {line}")
    return found
