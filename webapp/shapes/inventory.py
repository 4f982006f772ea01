"""What there is to update: hosts and their keys, releases, games."""

from typing import Any

from typing_extensions import TypedDict  # pydantic cannot read typing's before Python 3.12


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
