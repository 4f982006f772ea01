"""Fleets in the middle of a night's work, as rows: for pages that are tested, looked at, timed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from deploy_tasks import rollout
from deploy_tasks.models import Attempt, Batch, Event, Game, Host, HostKey, HostRun, Job
from deploy_tasks.rollout import Placed, Rollout
from deploy_tasks.states import HOST_ENDED, AttemptState, Gate, HostRunState, JobState, Link
from tests import factories

RECIPE = """\
recipe: symlink-release
summary: Unpack beside the running release, stop, switch the link, start, check
vars:
  root: {type: path, default: /srv/game}
  motd: {type: string, default: hello, ask: true, help: shown to players who join}
current: readlink "$root/current"
steps:
  - {name: space, run: 'test -d "$root"'}
  - {name: stage, run: 'echo "$version"'}
  - {name: unpack, run: 'echo "$version"'}
  - {name: stop, run: 'sh "$root/ctl" stop', disruptive: true}
  - {name: switch, run: 'echo "$version"'}
  - {name: health, run: 'sh "$root/ctl" status'}
"""
STEPS = ("space", "stage", "unpack", "stop", "switch", "health")
TOOK = (0.1, 8.4, 6.2, 11.8, 0.1, 38.0)
BIND = (
    b"Starting org.bukkit.craftbukkit.Main\n"
    b"\x1b[36m[03:10:12 INFO]:\x1b[0m Loading Paper \x1b[1m1.21.8-60-main@29c8822\x1b[0m\n"
    b"\x1b[33m[03:10:14 WARN]:\x1b[0m [EssentialsX] was not tested with this server build\n"
    b"\x1b[36m[03:10:16 INFO]:\x1b[0m Starting Minecraft server on 0.0.0.0:25565\n"
    b"\x1b[31m[03:10:16 ERROR]:\x1b[0m \x1b[1mFailed to bind to 0.0.0.0:25565\x1b[0m\n"
    b"\x1b[31mio.netty.channel.unix.Errors$NativeIoException: bind(..) failed:"
    b" Address already in use\x1b[0m\n"
    b"\x1b]0;owned\x07 a title, \xe2\x80\xae a turn of direction, and 10%\r20%\r30%\n"
)


@dataclass
class Fate:
    """What happens to one host of a scene; everybody else takes its turn as the batches go."""

    state: HostRunState
    step: int = 0
    error: str = ""
    down: bool = False
    link: str = Link.NONE
    output: bytes = b""
    launched: bool = True


FULL = b"tar: paper-1.21.8.jar: Cannot write: No space left on device\ntar: giving up\n"
STALE = b"cp: cannot stat '/srv/paper/releases/%d/plugins.yml': No such file or directory\n"
ODD = {
    1: Fate(
        HostRunState.FAILED,
        5,
        "step “health” ended with exit status 1",
        down=True,
        output=BIND,
    ),
    7: Fate(HostRunState.FAILED, 2, "step “unpack” ended with exit status 2", output=FULL),
    11: Fate(HostRunState.UNKNOWN, 3, "the connection broke, and the host does not answer"),
    13: Fate(HostRunState.RUNNING, 3, link=Link.UNREACHABLE),
    17: Fate(HostRunState.SKIPPED, error=""),
    31: Fate(HostRunState.FAILED, 2, "step “unpack” ended with exit status 2", output=FULL),
    44: Fate(HostRunState.FAILED, 4, "step “switch” ended with exit status 1", output=STALE % 12),
    63: Fate(HostRunState.FAILED, 2, "step “unpack” ended with exit status 2", output=FULL),
    90: Fate(HostRunState.FAILED, 4, "step “switch” ended with exit status 1", output=STALE % 9),
    101: Fate(HostRunState.FAILED, 0, "no answer from 192.0.2.7 port 22 in 60 s", launched=False),
}
#: Of a host run whose outcome is still to come.
ANEW = {
    "holds_host": True,
    "link": Link.NONE,
    "down": False,
    "error": "",
    "reason": "",
    "ended_at": None,
}
#: Of those that run, each of these takes much longer than the others.
SLOW = 9
TOO_LONG = 150  # seconds: slow, and far from hanging however long a test takes


def game(name: str = "paper", *, hosts: int = 500, prefix: str = "") -> Game:
    made = factories.game(name, text=RECIPE)
    for version in ("1.21.4", "1.21.8"):
        factories.release(made, version, sha256=f"{version:0>64}", size=48_600_000)
    credential = factories.host(made, f"{name}-first").credential
    regions = ("eu", "us", "ap")
    rows = [
        Host(
            name=f"{prefix}{regions[n % 3]}-{n:03}",
            game=made,
            address=f"192.0.2.{n % 250}",
            user="game",
            credential=credential,
            labels={"region": regions[n % 3], "shard": "ab"[n % 2]},
            vars={"root": "/srv/paper"},
        )
        for n in range(1, hosts)
    ]
    made_hosts = Host.objects.bulk_create(rows)
    HostKey.objects.bulk_create(
        HostKey(
            host=host,
            key="ssh-ed25519 AAAA",
            fingerprint="SHA256:q0Z4iBvcZxXzX4aDkC1sYxwq8hQz2tN3oPfJ7h1M",
            approved_at=timezone.now(),
        )
        for host in made_hosts
    )
    return made


def midway(of: Game, *, state: JobState = JobState.RUNNING, done: float = 0.45) -> Job:
    """A job in which that share of the hosts has ended; some oddly, some run right now."""
    hosts = list(of.hosts.order_by("pk"))
    plan = Rollout(canary=1, batches=("10%", "50%", "70%", "100%"), parallel=30, max_failed="5%")
    begun = timezone.now() - timedelta(minutes=31)
    job = Job.objects.create(
        game=of,
        release=of.releases.get(version="1.21.8"),
        revision=of.recipe.newest(),
        rollout=plan.model_dump(mode="json"),
        state=state,
        by_name="mira",
        note="the exploit of tonight",
        started_at=begun,
        ended_at=timezone.now() if state in (JobState.SUCCEEDED, JobState.FAILED) else None,
    )
    placed = [Placed(host.name, host.labels) for host in hosts]
    by_name = {host.name: host for host in hosts}
    numbered = [
        (n, by_name[name])
        for n, names in enumerate(rollout.batches(placed, plan).batches, 1)
        for name in names
    ]
    Batch.objects.bulk_create(
        Batch(job=job, n=n, canary=n == 1, gate=Gate.CLOSED)
        for n in sorted({n for n, _ in numbered})
    )
    ended = len(hosts) if job.ended_at else max(1, round(len(hosts) * done))
    running = 0 if job.ended_at else min(max(1, len(hosts) // 20), 25)
    runs, fates = [], []
    for i, (batch, host) in enumerate(numbered):
        fate = _fate(i, ended, running, len(hosts))
        if job.ended_at and fate.state not in HOST_ENDED:
            fate = Fate(HostRunState.SUCCEEDED)
        fates.append(fate)
        runs.append(_run(job, host, batch, i, fate, begun))
    runs = HostRun.objects.bulk_create(runs)
    _tell(job, list(zip(runs, fates, strict=True)), begun)
    return job


def hold(job: Job, gate: Gate, *, after: int = 2) -> None:
    """Batches up to this one are through; its gate holds the others, of which no host has begun."""
    later, now = job.host_runs.filter(batch__gt=after), timezone.now()
    Attempt.objects.filter(host_run__in=later).delete()
    later.update(**ANEW, state=HostRunState.WAITING, step=0, started_at=None)
    through = job.host_runs.filter(batch__lte=after).exclude(state__in=HOST_ENDED)
    through.update(state=HostRunState.SUCCEEDED, holds_host=False, link=Link.NONE, ended_at=now)
    soaks = gate == Gate.SOAKING
    job.batches.filter(n__lt=after).update(gate=Gate.OPEN)
    until = now + timedelta(minutes=4) if soaks else None
    job.batches.filter(n=after).update(gate=gate, soak_until=until)
    job.rollout |= {"soak": "5m", "gate": "auto" if soaks else "manual"}
    job.state = JobState.RUNNING if soaks else JobState.PAUSED
    job.save(update_fields=["rollout", "state"])


def stage(job: Job, *, opens: datetime | None = None) -> None:
    """All hosts wait, staged, for the switch: until then, or for a person."""
    switch = STEPS.index("stop")
    Attempt.objects.filter(host_run__job=job, step__gte=switch).delete()
    job.batches.update(gate=Gate.CLOSED, soak_until=None)
    job.host_runs.update(
        **ANEW, state=HostRunState.STAGED, step=switch, started_at=job.started_at, version="1.21.4"
    )
    job.rollout |= {"stage": "ahead"}
    job.state, job.start_at, job.reason = JobState.RUNNING, opens, ""
    job.save(update_fields=["rollout", "state", "start_at", "reason"])


def print_lines(job: Job, name: str, count: int, *, line: str = "line {n} of the build") -> None:
    """Much more output of the newest attempt on a host."""
    run = HostRun.objects.get(job=job, name=name)
    pieces = (
        "".join(line.format(n=n) + "\n" for n in range(first, min(first + 200, count))).encode()
        for first in range(0, count, 200)
    )
    add_output(job, run.attempts.latest("pk"), *pieces)


def add_output(job: Job, attempt: Attempt, *pieces: bytes) -> None:
    """One event each."""
    events, offset = [], attempt.log_offset
    for piece in pieces:
        events.append(_output(job, attempt, piece, offset, timezone.now()))
        offset += len(piece)
    Attempt.objects.filter(pk=attempt.pk).update(log_offset=offset)
    _append(job, events)


def _fate(i: int, ended: int, running: int, total: int) -> Fate:
    if i in ODD and i < ended and (total > 4 or i == 1):
        return ODD[i]
    if i < ended:
        return Fate(HostRunState.SUCCEEDED)
    if i < ended + running:
        return Fate(HostRunState.RUNNING, i % len(STEPS), output=b"Preparing spawn area: 61%\n")
    return Fate(HostRunState.WAITING)


def _run(job: Job, host: Host, batch: int, i: int, fate: Fate, begun: datetime) -> HostRun:
    over = fate.state in HOST_ENDED
    started = begun + timedelta(seconds=2 * i)
    waiting = fate.state == HostRunState.WAITING
    return HostRun(
        job=job,
        host=host,
        name=host.name,
        batch=batch,
        position=i,
        state=fate.state,
        holds_host=not over,
        error=fate.error,
        reason="already at 1.21.8" if fate.state == HostRunState.SKIPPED else "",
        down=fate.down,
        link=fate.link,
        step=len(STEPS) if fate.state == HostRunState.SUCCEEDED else fate.step,
        previous=None if waiting else "1.21.4",
        version="1.21.8" if fate.state == HostRunState.SUCCEEDED else "" if waiting else "1.21.4",
        started_at=None if waiting else started,
        ended_at=started + timedelta(seconds=65) if over else None,
    )


def _tell(job: Job, fated: Iterable[tuple[HostRun, Fate]], begun: datetime) -> None:
    attempts = [attempt for run, fate in fated for attempt in _attempts(run, fate)]
    made = Attempt.objects.bulk_create(attempts)
    outputs = {run.pk: fate.output for run, fate in fated}
    events: list[Event] = [
        Event(
            kind=Event.Kind.ORDER,
            at=begun,
            data={"who": "mira", "what": "start", "hosts": len(outputs)},
        ),
        Event(kind=Event.Kind.JOB, at=begun, data={"to": "running"}),
    ]
    for attempt in made:
        events += _story(job, attempt, outputs[attempt.host_run_id])
    _append(job, events)


def _attempts(run: HostRun, fate: Fate) -> Iterator[Attempt]:
    if run.started_at is None or fate.state == HostRunState.SKIPPED or not fate.launched:
        return
    last = min(run.step, len(STEPS) - 1)
    at = run.started_at
    if fate.state in (HostRunState.RUNNING, HostRunState.UNKNOWN):
        slow = TOO_LONG if run.position % SLOW == 0 else 0
        at = timezone.now() - timedelta(seconds=sum(TOOK[:last]) + TOOK[last] * 0.6 + slow)
    for i in range(last + 1):
        state = AttemptState.SUCCEEDED
        if i == last and fate.state != HostRunState.SUCCEEDED:
            state = {
                HostRunState.FAILED: AttemptState.FAILED,
                HostRunState.ROLLED_BACK: AttemptState.FAILED,
                HostRunState.UNKNOWN: AttemptState.LOST,
            }.get(fate.state, AttemptState.RUNNING)
        over = state != AttemptState.RUNNING
        end = at + timedelta(seconds=TOOK[i])
        yield Attempt(
            host_run=run,
            uid=f"{run.pk}.{i}",
            step=i,
            name=STEPS[i],
            number=1,
            script_sha256="0" * 64,
            state=state,
            log_offset=len(fate.output) if state != AttemptState.SUCCEEDED else 0,
            exit_status=_exit_status(state, fate),
            started_at=at,
            ended_at=end if over else None,
        )
        at = end


def _exit_status(state: AttemptState, fate: Fate) -> int | None:
    """A step that ran into its time limit was ended, and has none."""
    if state == AttemptState.FAILED and "time limit" in fate.error:
        return None
    return {AttemptState.SUCCEEDED: 0, AttemptState.FAILED: 1}.get(state)


def _story(job: Job, attempt: Attempt, output: bytes) -> Iterator[Event]:
    begun = attempt.started_at or timezone.now()
    told = {"step": attempt.name, "n": attempt.number, "kind": "do"}
    yield Event(
        host_run_id=attempt.host_run_id,
        attempt=attempt,
        kind=Event.Kind.STEP,
        at=begun,
        data=told | {"to": "running", "rc": None},
    )
    text = output if attempt.state != AttemptState.SUCCEEDED else b""
    if text:
        yield _output(job, attempt, text, 0, begun)
    if attempt.ended_at:
        seconds = (attempt.ended_at - begun).total_seconds()
        end = {"to": attempt.state, "rc": attempt.exit_status, "seconds": seconds}
        yield Event(
            host_run_id=attempt.host_run_id,
            attempt=attempt,
            kind=Event.Kind.STEP,
            at=attempt.ended_at,
            data=told | end,
        )


def _output(job: Job, attempt: Attempt, text: bytes, offset: int, at: datetime) -> Event:
    return Event(
        job=job,
        host_run_id=attempt.host_run_id,
        attempt=attempt,
        kind=Event.Kind.OUTPUT,
        at=at,
        offset=offset,
        raw_length=len(text),
        output=text,
    )


def _append(job: Job, events: list[Event]) -> None:
    job.refresh_from_db(fields=["last_seq"])
    for seq, event in enumerate(events, job.last_seq + 1):
        event.job, event.seq = job, seq
    Event.objects.bulk_create(events, batch_size=2000)
    job.last_seq += len(events)
    job.save(update_fields=["last_seq"])
