"""``python -m tests.storyteller``: the process behind tests.told. It begins when it is told to."""

import argparse
import json
import sys
import time
from datetime import timedelta
from itertools import cycle, islice

import django

django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402 (needs the applications set up)
from django.contrib.auth.models import User  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from deploy_tasks import journal  # noqa: E402
from deploy_tasks.journal import News  # noqa: E402
from deploy_tasks.models import Attempt, Event, Job  # noqa: E402
from deploy_tasks.states import AttemptState, HostRunState, JobState  # noqa: E402
from tests import factories  # noqa: E402
from tests.stories import Story  # noqa: E402
from webapp import tokens  # noqa: E402
from webapp.models import Grant, Role  # noqa: E402

PAUSE = 0.05  # seconds between two commits, as the journal's own
PIECE = 8192  # bytes of an event, likewise


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("lines", "hosts", "readers"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    teller = Teller(given.hosts)
    readers = [teller.reader(n) for n in range(given.readers)]
    print(json.dumps({"job": teller.job.pk, "tokens": readers}), flush=True)
    sys.stdin.readline()
    teller.tell(given.lines, given.rate)
    teller.end()


class Teller:
    def __init__(self, hosts: int) -> None:
        with transaction.atomic():
            game = factories.game(f"told-{time.time_ns()}")
            self._story = Story(hosts=[f"host-{n}" for n in range(1, hosts + 1)], of=game)
            self.job = self._story.job
            # No worker of the instance takes them for its own.
            self.job.host_runs.update(
                state=HostRunState.RUNNING,
                owner="elsewhere",
                # A lease as long as this would be taken for one of a clock that was set back.
                wake_at=timezone.now() + timedelta(days=1),
                holds_host=False,
            )
        self._places = dict.fromkeys(self._story.host_runs, 0)
        self._turn = cycle(self._places)

    def reader(self, n: int) -> str:
        """The token of somebody who may see the job, and never logs in: to make a password takes a
        third of a second."""
        reader = User.objects.create(
            username=f"reader-{self.job.pk}-{n}", password=make_password(None)
        )
        Grant.objects.create(user=reader, game=self.job.game, role=Role.VIEWER)
        return tokens.create(reader)

    def tell(self, lines: int, rate: float) -> None:
        begun, told = time.monotonic(), 0
        while told < lines:
            due = min(lines, int((time.monotonic() - begun) * rate) + 1)
            texts: dict[str, bytes] = {}
            for n, host in enumerate(islice(self._turn, due - told), told + 1):
                texts[host] = texts.get(host, b"") + b"line %d %s\n" % (n, b"x" * 60)
            told = due
            self._append([news for host, text in texts.items() for news in self._print(host, text)])
            time.sleep(PAUSE)

    def end(self) -> None:
        with transaction.atomic():
            for host, attempt in self._story.attempts.items():
                attempt.log_offset = self._places[host]
            attempts, now = self._story.attempts.values(), timezone.now()
            Attempt.objects.bulk_update(attempts, ["log_offset"], batch_size=100)
            Attempt.objects.filter(host_run__job=self.job).update(
                state=AttemptState.SUCCEEDED, started_at=now, ended_at=now
            )
            Job.objects.filter(pk=self.job.pk).update(state=JobState.SUCCEEDED)
            self._append([News(Event.Kind.JOB, {"to": "succeeded"})])

    def _print(self, host: str, text: bytes) -> list[News]:
        news = []
        for start in range(0, len(text), PIECE):
            piece = text[start : start + PIECE]
            news.append(
                News(
                    Event.Kind.OUTPUT,
                    host_run=self._story.host_runs[host].pk,
                    attempt=self._story.attempts[host].pk,
                    offset=self._places[host],
                    raw_length=len(piece),
                    output=piece,
                )
            )
            self._places[host] += len(piece)
        return news

    def _append(self, news: list[News]) -> None:
        with transaction.atomic():
            journal.append(self.job.pk, news)


if __name__ == "__main__":
    main()
