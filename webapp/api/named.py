"""What the path of a call names, as far as whoever calls may know of it. Raise Http404."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from ninja import Schema

from deploy_tasks.models import Attempt, HostRun, Job
from deploy_tasks.names import Name
from deploy_tasks.prepared import Given, PreparedObjects
from deploy_tasks.states import AttemptKind
from webapp import access, reports
from webapp.access import Right
from webapp.api.auth import ApiRequest


class WhichAttempt(Schema):
    """Of the query: without ``step``, the newest one that printed anything."""

    step: Name | None = None
    attempt: int = 1
    kind: AttemptKind = AttemptKind.DO


#: Somebody who waits for a job asks for it several times a second.
_jobs = PreparedObjects(lambda: Job.objects.filter(pk=Given("job")), "game", "release", "revision")


def visible_job(request: ApiRequest, job_id: int) -> Job:
    for job in _jobs(job=job_id):
        if access.may(request.auth, Right.SEE, job.game):
            return job
    raise Http404


def job_to_operate(request: ApiRequest, job_id: int) -> Job:
    job = visible_job(request, job_id)
    access.require(request.auth, Right.OPERATE, job.game)
    return job


def host_run(job: Job, name: str) -> HostRun:
    return get_object_or_404(HostRun, job=job, name=name)


def attempt(run: HostRun, which: WhichAttempt) -> Attempt | None:
    return reports.attempt(run, step=which.step, number=which.attempt, kind=which.kind)
