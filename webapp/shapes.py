"""The JSON shapes that programs rely on: they type the reports and are the API's documentation.

Times are ISO 8601 UTC with milliseconds and ``Z``; sizes are bytes.
"""

from typing import Any, NotRequired

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
    """One host in one job. ``attempt`` counts the attempts of ``step``, null before the first."""

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
    down: bool
    excluded: bool
    labels: dict[str, Any]
    started_at: str | None
    ended_at: str | None


class HostRunList(TypedDict):
    """The stream goes on after ``as_of_seq``."""

    as_of_seq: int
    hosts: list[HostRunReport]


class FailureReport(TypedDict):
    """A host that failed. ``line``: of what it printed last, what tells most of why."""

    name: str
    line: str
    down: bool
    excluded: bool


class CauseReport(TypedDict):
    """Hosts with the same trouble in the same step. ``cause``: their lines with all that differs
    from host to host folded to ``…``; ``sample``: the line of the first. ``step`` is null where no
    step had failed."""

    step: str | None
    cause: str
    sample: str
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


class PaceReport(TypedDict):
    """``slow``: hosts that take much longer than is usual. ``left``: seconds; null: who knows."""

    steps: list[StepPace]
    slow: list[str]
    left: float | None


class AttemptReport(TypedDict):
    """``bytes`` of output are stored; ``at`` is when it began."""

    step: str
    n: int
    kind: str
    state: str
    rc: int | None
    reason: str
    seconds: float | None
    at: str | None
    bytes: int


class AttemptList(TypedDict):
    """In the order in which they began. The stream goes on after ``as_of_seq``."""

    as_of_seq: int
    attempts: list[AttemptReport]


class OutputPage(TypedDict):
    """Everything of the attempt from the byte ``start`` on, up to the event ``as_of_seq`` or the
    byte that was asked for. Go back with ``before=start`` until it is 0."""

    events: list[dict[str, Any]]
    start: int
    as_of_seq: int


class LineReport(TypedDict):
    """``cut``: how many characters more it has."""

    at: str
    text: str
    cut: int


class LinePage(TypedDict):
    """Lines from number ``first`` on, of ``total``; null where there are too many to count.
    ``colours``: what was printed before and still colours the first of them. ``number``: of the
    line at the byte that was asked for."""

    first: int
    total: int | None
    number: int | None
    colours: str
    lines: list[LineReport]


class SearchHit(TypedDict):
    """A line without its colours; of a long one what is around the text."""

    host: str
    step: str
    n: int
    kind: str
    line: int
    at: str
    text: str


class SearchPage(TypedDict):
    """Go on with ``after`` until it is null. So far ``searched`` of ``of`` bytes were."""

    hits: list[SearchHit]
    after: str | None
    searched: int
    of: int


class EventPage(TypedDict):
    """Go on with ``after=to`` until ``to`` is ``last_seq``."""

    events: list[dict[str, Any]]
    to: int
    last_seq: int


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


class KeyReport(TypedDict):
    """A host key; one without ``approved_at`` was offered and waits for a person."""

    type: str
    fingerprint: str
    approved_at: str | None
    approved_by: str | None


class CheckItem(TypedDict):
    """``part``: reachable, key, login, shell, disk, clock, vars, sudo, version, game; ``result``:
    ok, warning, problem, skipped."""

    part: str
    result: str
    says: str


class CheckReport(TypedDict):
    """The last look at a host. ``well`` is null until it has ended."""

    asked_at: str
    ended_at: str | None
    well: bool | None
    items: list[CheckItem]


class TruthReport(TypedDict):
    """Versions: wanted, on the disk, reported by the running game; empty where not known.
    ``players`` null is unknown, not zero; ``drift`` is empty where nothing is known to differ."""

    wanted: str
    on_disk: str
    on_disk_at: str | None
    running: str
    players: int | None
    asked_at: str | None
    silence: str
    drift: str


class HostReport(TypedDict):
    """What the inventory file says of a host, its keys, the last look at it, what is known of its
    version, and the job that has it now."""

    name: str
    game: str
    address: str
    port: int
    user: str
    credential: str
    labels: dict[str, Any]
    machine: str | None
    via: str | None
    vars: dict[str, Any]
    keys: list[KeyReport]
    check: CheckReport | None
    truth: TruthReport
    job: int | None


class RefusedKeys(TypedDict):
    host: str
    message: str


class KeyRuleReport(TypedDict):
    """``kind``: authority, revoked."""

    game: str
    kind: str
    names: str
    fingerprint: str


class ListedKeys(TypedDict):
    """Names of hosts; ``unnamed``: the list does not know them; ``vouched``: by a host CA alone.
    ``rules``: host CAs and revoked keys that are new; ``skipped``: lines with keys of types that
    are not supported."""

    approved: list[str]
    unchanged: list[str]
    revoked: list[str]
    vouched: list[str]
    unnamed: list[str]
    refused: list[RefusedKeys]
    rules: list[KeyRuleReport]
    skipped: list[int]


class HostList(TypedDict):
    hosts: list[HostReport]


class ReleaseReport(TypedDict):
    game: str
    version: str
    sha256: str
    size: int
    filename: str
    created_at: str


class ReleaseList(TypedDict):
    releases: list[ReleaseReport]


class GameReport(TypedDict):
    name: str
    recipe: str
    vars: dict[str, Any]
    rollouts: dict[str, dict[str, Any]]


class GameList(TypedDict):
    games: list[GameReport]


class CallReport(TypedDict):
    """One thing that one pager was to be told. ``job`` is null for a test; ``due_at`` when it is
    tried next, null once it is over; ``error`` is of the last try."""

    id: int
    pager: str
    job: int | None
    moment: str
    at: str
    state: str
    tries: int
    due_at: str | None
    error: str
    ended_at: str | None


class CallList(TypedDict):
    """Newest first."""

    calls: list[CallReport]


class PagerReport(TypedDict):
    """``shown`` is what may be shown of its address; ``game`` is null for all games; ``last`` the
    newest call to it."""

    name: str
    kind: str
    shown: str
    game: str | None
    mine: bool
    moments: list[str]
    language: str
    last: CallReport | None


class PagerList(TypedDict):
    pagers: list[PagerReport]


class ErrorReport(TypedDict):
    """``field`` is a path such as ``hosts[3]``; some codes add more, as ``hosts`` of hosts_busy."""

    code: str
    message: str
    field: NotRequired[str]
    errors: NotRequired[list[dict[str, str]]]
    hosts: NotRequired[list[dict[str, Any]]]


class Refusal(TypedDict):
    error: ErrorReport
