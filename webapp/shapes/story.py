"""What happened in a job, and what its hosts printed."""

from typing import Any

from typing_extensions import TypedDict  # pydantic cannot read typing's before Python 3.12


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


class StoryPage(TypedDict):
    """Newest first; go on with ``before`` until it is null."""

    events: list[dict[str, Any]]
    before: int | None
    last_seq: int


class VariableReport(TypedDict):
    """``value`` is null for a secret, and for what is not known before the host begins. ``source``:
    ``job`` (asked for), ``host``, ``game``, ``recipe`` (its default), ``given`` (to every script),
    or ``earlier``: fixed when the host began, and changed since."""

    name: str
    value: str | None
    secret: bool
    source: str


class VariableList(TypedDict):
    """``fixed``: the host has begun, and goes on with these."""

    fixed: bool
    variables: list[VariableReport]
