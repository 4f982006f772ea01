"""What a host's page tells of its past: how it stood in the last 24 hours, and the last lines that
it printed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from deploy_tasks import events
from deploy_tasks.models import Host, HostRun
from deploy_tasks.states import HOST_ENDED
from deploy_tasks.visible import visible
from webapp import reports

DAY = timedelta(hours=24)
#: Lines that are shown, and bytes that are read for them.
LINES = 12
BYTES = 4096
#: They are left out here; the log of the job has them.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: Of the day: what is shorter could not be seen.
THINNEST = 0.004


@dataclass(frozen=True)
class Stretch:
    """A part of the day in which a host stood the same: ``run`` went on, or was the last; None: no
    job had been there. ``at`` and ``width`` are shares of the day."""

    run: HostRun | None
    going: bool
    at: float
    width: float

    @property
    def x(self) -> str:
        return f"{100 * self.at:.2f}%"

    @property
    def wide(self) -> str:
        return f"{100 * self.width:.2f}%"


def day(host: Host, *, now: datetime) -> list[Stretch]:
    """The last 24 hours of a host, oldest first."""
    begun = HostRun.objects.filter(host=host, started_at__isnull=False)
    since = now - DAY
    before = begun.filter(ended_at__lt=since).order_by("-ended_at").first()
    within = begun.exclude(ended_at__lt=since).order_by("started_at")
    return list(_stretches(before, within, since=since, now=now))


@dataclass(frozen=True)
class LastLines:
    """The end of what a host printed last, spelled out; ``step`` printed it."""

    step: str
    lines: list[str]


def last_lines(run: HostRun) -> LastLines | None:
    found = reports.attempt(run, step=None, number=1, kind="do")
    if found is None:
        return None
    told = "".join(item.fields["d"] for item in events.output(found, limit=BYTES))
    shown = "".join(visible([COLOURS.sub("", told[-BYTES:]).encode()])).splitlines()
    return LastLines(found.name, shown[-LINES:]) if shown else None


def _stretches(
    last: HostRun | None, runs: Iterable[HostRun], *, since: datetime, now: datetime
) -> Iterator[Stretch]:
    at = since
    for run in runs:
        begun = max(run.started_at or since, at)
        if begun > at:
            yield _stretch(last, False, at, begun, since)
        over = run.state in HOST_ENDED and run.ended_at
        at = max(begun, run.ended_at if over and run.ended_at else now)
        yield _stretch(run, True, begun, at, since)
        last = run
    if at < now:
        yield _stretch(last, False, at, now, since)


def _stretch(
    run: HostRun | None, going: bool, begun: datetime, ended: datetime, since: datetime
) -> Stretch:
    return Stretch(run, going, (begun - since) / DAY, max(THINNEST, (ended - begun) / DAY))
