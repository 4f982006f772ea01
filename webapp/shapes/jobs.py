"""What is said of a job, and of its hosts in it."""

from typing import Any, Literal

from typing_extensions import TypedDict  # pydantic cannot read typing's before Python 3.12


class BatchReport(TypedDict):
    """``budget``: how many hosts of the job may fail before it halts, 0 for a canary batch; null:
    no limit. ``batch_budget``: the same of this batch alone. ``excluded``: of those that failed,
    how many were set aside and count in no budget. ``state``: waiting, running, soaking (until
    ``soak_until``), gate (waits to be promoted), or how it ended: succeeded, failed, cancelled."""

    n: int
    canary: bool
    state: str
    soak_until: str | None
    hosts: int
    failed: int
    excluded: int
    budget: int | None
    batch_budget: int | None


class JobReport(TypedDict):
    """``counts`` has every host state, zeros too; ``can`` what its reader may order now;
    ``pause`` what a person has asked for: after the batch, host or step; empty: nothing.
    ``rolls_back``: the job that it takes back; ``rolled_back_by``: the one that does so to it.
    ``limit``: how many hosts may fail; null: any number. ``slow`` hosts take much longer than is
    usual; ``left``: about how many seconds; null: who knows. ``rollout``: its terms as they are.
    ``check``, of the hosts before the first batch: empty, ``soaking`` (under way), or ``gate``,
    which waits for a person. ``start_at`` is when the job starts; where its hosts stage ahead,
    when they may begin to go down, null: when a person says so."""

    id: int
    state: str
    reason: str
    pause: str
    verdict: str
    game: str
    version: str
    by: str
    rolls_back: int | None
    rolled_back_by: int | None
    start_at: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    last_seq: int
    counts: dict[str, int]
    batches: list[BatchReport]
    limit: int | None
    slow: int
    left: float | None
    rollout: dict[str, Any]
    check: str
    can: list[str]
    url: str


class JobPage(TypedDict):
    """Newest first; go on with ``before`` until it is null."""

    jobs: list[JobReport]
    before: int | None


class HostRunReport(TypedDict):
    """One host in one job. ``attempt`` counts the attempts of ``step``, null before the first;
    ``link_reason``: why it cannot be reached, while it cannot; ``heard_at``: when it last told of
    what it runs, where it is unknown or cannot be reached; ``address``: null where the host is no
    longer in the inventory."""

    name: str
    state: str
    reason: str
    error: str
    step: str | None
    batch: int
    attempt: int | None
    version: str | None
    previous: str | None
    link: str | None
    link_reason: str
    heard_at: str | None
    down: bool
    excluded: bool
    address: str | None
    labels: dict[str, Any]
    started_at: str | None
    ended_at: str | None


class HostRunList(TypedDict):
    """The stream goes on after ``as_of_seq``."""

    as_of_seq: int
    hosts: list[HostRunReport]


class UndoReport(TypedDict):
    """An undo that failed in ``step``: the ``line`` that tells why, and the steps that are left to
    undo ``by_hand``."""

    step: str
    line: str
    by_hand: list[str]


class FailureReport(TypedDict):
    """A host that failed. ``line``: of what it printed, what tells most of why. ``left_at``:
    the version that it has kept, or has again, for no step that players feel was done, or it was
    undone; null: nobody knows. ``again``: the step that a retry begins with; null: all stand.
    ``back_to``: an earlier one, in which the cause stands, or since which it is unlike
    hosts that are well, if a retry may go back to it."""

    name: str
    line: str
    down: bool
    left_at: str | None
    again: str | None
    back_to: str | None
    undo: UndoReport | None
    excluded: bool


class DifferenceReport(TypedDict):
    """What ``hosts`` ``of`` those that were looked at did otherwise in a step than all hosts that
    are well: lines that they ``printed`` alone, and ones that they lack; it was ``skipped``, for it
    was done already; it took ``seconds``, where ``usual`` others are. ``n``, ``line``: of its
    attempts on ``host``, and of what that one printed, where it shows."""

    step: str
    host: str
    n: int
    line: int
    printed: list[str]
    lacks: list[str]
    skipped: bool
    seconds: float | None
    usual: float | None
    hosts: int
    of: int


class FactReport(TypedDict):
    """``fact``: a label or a variable of that ``name``, the machine, or the version that was there
    before the job; ``name`` is empty for these."""

    fact: Literal["label", "machine", "previous", "variable"]
    name: str
    value: str


class CauseReport(TypedDict):
    """Hosts with the same trouble in the same step. ``cause``: their lines with all that differs
    from host to host folded to ``…``; ``told``: the line without its time where all of them have
    printed the same, else the cause; ``sample``: the line of the first, ``above``: the one printed
    right before it, where that names trouble too. ``step`` is null where no step had failed.
    ``found_in``: the step that printed the lines, null where none did; another than ``step`` where
    that one tells but a ``sign``. ``differs``: where none tells of a cause, how they are unlike
    hosts that are well, by step; ``unlike_since``: the first of these steps, where it comes before
    that with which a retry begins, and one may go back there. ``shared``: what is so of all these
    hosts, and of none that is well."""

    step: str | None
    cause: str
    told: str
    sample: str
    above: str
    found_in: str | None
    sign: str
    differs: list[DifferenceReport]
    unlike_since: str | None
    shared: list[FactReport]
    hosts: list[FailureReport]


class FailureList(TypedDict):
    """Most hosts first."""

    as_of_seq: int
    causes: list[CauseReport]


class StepPace(TypedDict):
    """Seconds: half of the hosts took at most ``p50``, all but a twentieth ``p95``; null while
    nobody knows. ``hosts`` of this job are through it, ``running`` are at it, ``failed`` in it."""

    step: str
    p50: float | None
    p95: float | None
    hosts: int
    running: int
    failed: int


class BrokerTrouble(TypedDict):
    """``word``: away (it does not answer) or full."""

    word: str
    since: str


class HangingReport(TypedDict):
    """Hosts that hang in a ``step``, the longest first: all of them take at least so many ``times``
    as long as half of the others took. ``line``: what the first of them printed last."""

    step: str
    times: float
    hosts: list[str]
    line: str


class PaceReport(TypedDict):
    """``slow``: hosts that take much longer than is usual. ``left``: seconds; null: who knows.
    ``broker``: why orders begin a little later; null: it is well."""

    steps: list[StepPace]
    slow: list[str]
    hanging: list[HangingReport]
    left: float | None
    broker: BrokerTrouble | None


class FindingPart(TypedDict):
    """``part`` is one of a look at a host, or job (another one has it), or order."""

    part: str
    says: str


class HostFinding(TypedDict):
    """``state``: pending, fit, unfit. Warnings are in no job's way."""

    host: str
    state: str
    problems: list[FindingPart]
    warnings: list[FindingPart]
    checked_at: str | None


class PreflightReport(TypedDict):
    """Ask again until ``pending`` is 0."""

    pending: int
    fit: int
    unfit: int
    hosts: list[HostFinding]
