"""Jobs as these tests need them, and what answers hold."""

from datetime import UTC, datetime
from typing import Any

from asgiref.sync import async_to_sync

from deploy_tasks.models import Event, HostRun, Job
from deploy_tasks.states import HostRunState


def ended(job: Job, state: HostRunState, **more: Any) -> None:
    job.host_runs.update(state=state, holds_host=False, **more)


def printed(run: HostRun, output: bytes, *, step: str = "stop", number: int = 1) -> None:
    """The host has printed this in an attempt of a step."""
    index = ["stop", "start"].index(step)
    attempt, _ = run.attempts.get_or_create(
        step=index,
        name=step,
        number=number,
        defaults={"uid": f"{run.pk}.{step}.{number}", "state": "running"},
    )
    offset = attempt.log_offset
    run.attempts.filter(pk=attempt.pk).update(log_offset=offset + len(output))
    seq = Job.objects.get(pk=run.job_id).last_seq + 1
    Job.objects.filter(pk=run.job_id).update(last_seq=seq)
    Event.objects.create(
        job=run.job,
        seq=seq,
        host_run=run,
        attempt=attempt,
        kind=Event.Kind.OUTPUT,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        offset=offset,
        raw_length=len(output),
        output=output,
    )


def body(answer: Any) -> bytes:
    """Read as an ASGI server does: Django collects no plain iterator in memory there."""
    assert answer.is_async

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)()
