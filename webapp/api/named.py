"""What the path of a call names, as far as whoever calls may know of it. Raise Http404."""

from django.shortcuts import get_object_or_404

from deploy_tasks.models import HostRun, Job
from webapp import access
from webapp.access import Right
from webapp.api.auth import ApiRequest


def visible_job(request: ApiRequest, job_id: int) -> Job:
    jobs = access.visible_jobs(request.auth).select_related("game", "release", "revision")
    return get_object_or_404(jobs, pk=job_id)


def job_to_operate(request: ApiRequest, job_id: int) -> Job:
    job = visible_job(request, job_id)
    access.require(request.auth, Right.OPERATE, job.game)
    return job


def host_run(job: Job, name: str) -> HostRun:
    return get_object_or_404(HostRun, job=job, name=name)
