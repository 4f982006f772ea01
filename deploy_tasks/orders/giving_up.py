"""Goes on without hosts of which nobody knows how they stand: they failed, and are free."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User
from django.db.models import F, Q
from django.utils.translation import gettext_noop

from deploy_tasks import clock, floors, journal, revisions
from deploy_tasks.models import Attempt, Event, Host, HostRun, Job
from deploy_tasks.standing import is_felt
from deploy_tasks.states import HOST_ACTIVE, AttemptState, HostRunState, Link

# What is stored is read by everybody: it is written in English, and told again where it is shown.
GIVEN_UP = gettext_noop("given up by %s")
#: Unknown, or out of reach in the midst of it.
IN_DOUBT = Q(state=HostRunState.UNKNOWN) | Q(state__in=HOST_ACTIVE, link=Link.UNREACHABLE)


def give_up(
    job: Job, runs: Sequence[HostRun], in_doubt: Mapping[int, Sequence[Attempt]], *, by: User
) -> None:
    """These host runs of a locked job, unknown or out of reach, have failed; so have those of
    their attempts ``in_doubt`` that may still be going on. Where a step that players feel has
    begun, or may have, the host is down for all that one knows.

    Whoever carries one of them has lost its claim. What may run on its host still is ended before
    anything else starts there.
    """
    error = GIVEN_UP % by.get_username()
    leave_to_be_ended(runs)
    going_on = (AttemptState.NEW, AttemptState.RUNNING)
    still_open = [one for run in runs for one in in_doubt[run.pk] if one.state in going_on]
    decide(job, still_open, AttemptState.LOST, error)
    down = _left_down(job, runs)
    for is_down in (True, False):
        journal.move_host_runs(
            job,
            [run.pk for run in runs if (run.pk in down) == is_down],
            [HostRunState.UNKNOWN, *HOST_ACTIVE],
            HostRunState.FAILED,
            down=is_down,
            out=False,
            holds_host=False,
            error=error,
            ended_at=clock.now(),
            fence=F("fence") + 1,
            owner="",
            lease_until=None,
            wake_at=None,
            activity="",
            wish="",
        )


def _left_down(job: Job, runs: Sequence[HostRun]) -> set[int]:
    felt = floors.felt(revisions.recipe_of(job.revision))
    tried: defaultdict[int, list[Attempt]] = defaultdict(list)
    for one in Attempt.objects.filter(host_run__in=runs).order_by("pk"):
        tried[one.host_run_id].append(one)
    return {pk for pk, its in tried.items() if is_felt(its, felt)}


def attempts_in_doubt(runs: Sequence[HostRun]) -> Mapping[int, list[Attempt]]:
    """By host run: what may still be going on, or was lost."""
    in_doubt = [AttemptState.NEW, AttemptState.RUNNING, AttemptState.LOST]
    found: defaultdict[int, list[Attempt]] = defaultdict(list)
    for one in Attempt.objects.filter(host_run__in=runs, state__in=in_doubt).order_by("pk"):
        found[one.host_run_id].append(one)
    return found


def leave_to_be_ended(runs: Sequence[HostRun]) -> None:
    """What may run there still is ended before anything else starts, by whichever job."""
    hosts = [
        Host(pk=run.host_id, unended_plan=run.plan) for run in runs if run.host_id and run.plan
    ]
    Host.objects.bulk_update(hosts, ["unended_plan"], batch_size=200)


def decide(job: Job, attempts: Sequence[Attempt], state: AttemptState, reason: str) -> None:
    """What a person says of an attempt is part of its story."""
    if not attempts:
        return
    ids = [one.pk for one in attempts]
    Attempt.objects.filter(pk__in=ids).update(state=state.value, reason=reason)
    news = [
        journal.News(
            Event.Kind.STEP,
            {
                "step": one.name,
                "n": one.number,
                "kind": one.kind,
                "to": state.value,
                "rc": None,
                "reason": reason,
            },
            host_run=one.host_run_id,
            attempt=one.pk,
        )
        for one in attempts
    ]
    journal.append(job.pk, news)
