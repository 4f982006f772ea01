"""Night calls, and where they go."""

from typing_extensions import TypedDict  # pydantic cannot read typing's before Python 3.12


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
