"""A job whose story a test tells itself, row by row; nobody is rung."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from deploy_tasks.models import Attempt, Event, Game, HostRun, Job
from deploy_tasks.states import JobState
from tests import factories
from webapp.models import Grant, Role


class Story:
    """A running job with one attempt of the step "stop" on each host."""

    def __init__(self, *, hosts: Sequence[str] = ("eu-1", "eu-2"), of: Game | None = None) -> None:
        self.job = factories.job(
            of or factories.game(), state=JobState.RUNNING, started_at=timezone.now()
        )
        runs = HostRun.objects.bulk_create(HostRun(job=self.job, name=name) for name in hosts)
        attempts = Attempt.objects.bulk_create(
            Attempt(
                host_run=run,
                uid=f"{run.pk}.1",
                step=0,
                name="stop",
                number=1,
                script_sha256="0" * 64,
            )
            for run in runs
        )
        self.host_runs = dict(zip(hosts, runs, strict=True))
        self.attempts = dict(zip(hosts, attempts, strict=True))

    @property
    def last_seq(self) -> int:
        return Job.objects.values_list("last_seq", flat=True).get(pk=self.job.pk)

    def output(self, host: str, *pieces: bytes) -> int:
        """Events of output, one each; gives the number of the last."""
        attempt = Attempt.objects.get(pk=self.attempts[host].pk)
        events = []
        for piece in pieces:
            events.append(
                Event(
                    kind=Event.Kind.OUTPUT,
                    host_run=self.host_runs[host],
                    attempt=attempt,
                    offset=attempt.log_offset,
                    raw_length=len(piece),
                    output=piece,
                )
            )
            attempt.log_offset += len(piece)
        attempt.save(update_fields=["log_offset"])
        return self._add(events)

    def news(self, kind: Event.Kind, data: dict[str, Any], host: str | None = None) -> int:
        return self._add(
            [Event(kind=kind, data=data, host_run=self.host_runs[host] if host else None)]
        )

    def reach(self, state: JobState) -> int:
        """The job's state moves, with its event, in one transaction."""
        with transaction.atomic():
            Job.objects.filter(pk=self.job.pk).update(state=state)
            return self.news(Event.Kind.JOB, {"to": state.value})

    def _add(self, events: list[Event]) -> int:
        with transaction.atomic():
            jobs = Job.objects.filter(pk=self.job.pk)
            jobs.update(last_seq=F("last_seq") + len(events))
            last = self.last_seq
            for seq, event in enumerate(events, last - len(events) + 1):
                event.job, event.seq, event.at = self.job, seq, timezone.now()
            Event.objects.bulk_create(events)
        return last


def person(name: str, *, game: Game | None = None, role: Role | None = None) -> User:
    """Somebody who can log in; without a role, nobody sees them anything."""
    user = factories.user(name)
    if role:
        Grant.objects.create(user=user, game=game, role=role)
    return user
