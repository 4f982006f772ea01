"""What a night call says: one sentence that is true when it is told, not when it was due."""

from datetime import timedelta

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks.models import Call, HostRun, Job, Moment
from deploy_tasks.states import HostRunState, JobState
from webapp.retelling import retold
from webapp.shapes import JobReport

#: Hosts named in one sentence.
NAMED = 5
#: A call that comes later says since when.
AT_ONCE = timedelta(minutes=2)

STATE_OF = {
    Moment.HALTED: JobState.HALTED,
    Moment.WAITS: JobState.PAUSED,
    Moment.FAILED: JobState.FAILED,
    Moment.CANCELLED: JobState.CANCELLED,
    Moment.SUCCEEDED: JobState.SUCCEEDED,
}


def sentence(call: Call, job: Job | None, report: JobReport | None) -> str:
    """In the language that is active; empty for what is true no more and needs nobody now."""
    if call.moment == Moment.DISK:
        return _("The disk of %(machine)s is nearly full: %(free)s left at %(at)s.") % {
            "machine": call.about["machine"],
            "free": filesizeformat(call.about["free"]),
            "at": f"{call.at:%Y-%m-%d %H:%M} UTC",
        }
    if job is None or report is None:
        return _("This is a test: Patchwave at %(origin)s reaches you here.") % {
            "origin": settings.SITE_ORIGIN
        }
    said = {
        "job": _("Job #%(id)s, %(game)s %(version)s") % report,
        "now": report["verdict"],
        "at": f"{call.at:%Y-%m-%d %H:%M} UTC",
    }
    if call.moment == Moment.UNKNOWN:
        if not (hosts := _unknown(job)):
            return ""
        pattern = _("%(job)s: the outcome on %(hosts)s is unknown, a person has to say. %(now)s")
        return pattern % {**said, "hosts": hosts}
    was = STATE_OF[Moment(call.moment)]
    if job.state != was:
        return _("%(job)s was %(state)s at %(at)s, and has gone on since. %(now)s") % {
            **said,
            "state": was.label,
        }
    told = str(said["job"]) + _(": ") + str(said["now"])
    if job.reason:
        told = _("%(told)s (%(more)s)") % {"told": told, "more": retold(job.reason)}
    if timezone.now() - call.at > AT_ONCE:
        told = _("%(told)s (%(more)s)") % {"told": told, "more": _("since %(at)s") % said}
    return told


def _unknown(job: Job) -> str:
    names = HostRun.objects.filter(job=job, state=HostRunState.UNKNOWN).order_by("position")
    found = list(names.values_list("name", flat=True))
    if len(found) <= NAMED:
        return ", ".join(found)
    return _("%(names)s and %(more)d more") % {
        "names": ", ".join(found[:NAMED]),
        "more": len(found) - NAMED,
    }
