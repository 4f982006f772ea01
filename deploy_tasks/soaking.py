"""Health over time: while a batch soaks, its hosts are asked again whether they are well.

What is asked is the probe of the recipe's last ``wait`` and its ``current``. A host that is not
well several times in a row loses its success: it goes back to a worker, which takes its steps back
where the recipe says so, and ends as failed or rolled back, as if its last step had failed. A host
that cannot be reached has said nothing: transport is no outcome.
"""

import logging
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from deploy_tasks import bells, clock, commands, journal, recipes, revisions, ssh
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.masking import Mask
from deploy_tasks.models import Batch, Event, HostRun
from deploy_tasks.orders.taken import newer_attempts
from deploy_tasks.runner import target
from deploy_tasks.states import JOB_OPEN, Gate, HostRunState
from deploy_tasks.visible import words

log = logging.getLogger(__name__)

#: Between two probes of a host.
EVERY = timedelta(seconds=10)
#: So often in a row a host has to be found ill: one hiccup takes nothing back.
ILL = 3
#: Hosts asked at a time by what each look of a worker finds; the others' turn comes next.
AT_ONCE = 20
#: Seconds beside the probe's own limit.
GRACE = 10.0
#: Characters kept of what a probe printed.
LONGEST = 200


def ring_due() -> None:
    """Ring for hosts whose turn it is. Anybody may, at any time."""
    soaking = list(
        Batch.objects.filter(
            gate=Gate.SOAKING, job__cancelled=False, job__state__in=JOB_OPEN
        ).values_list("job", "n")
    )
    if not soaking:
        return
    in_batches = Q()
    for job, n in soaking:
        in_batches |= Q(job=job, batch=n)
    now = clock.now()
    turn = Q(probed_at=None) | Q(probed_at__lt=now - EVERY)
    due = HostRun.objects.filter(in_batches, turn, state=HostRunState.SUCCEEDED)
    claimed = [
        pk
        for pk, at in due.order_by("probed_at", "pk").values_list("pk", "probed_at")[:AT_ONCE]
        # Of several workers that see the same row, one rings.
        if HostRun.objects.filter(pk=pk, probed_at=at).update(probed_at=now)
    ]
    if claimed:
        bells.ring_probes(claimed)


def probe(host_run_id: int) -> None:
    """Ask one host, and note the answer while its batch still soaks."""
    related = HostRun.objects.select_related("job__game", "job__release", "job__revision")
    run = related.filter(pk=host_run_id, state=HostRunState.SUCCEEDED).first()
    if run is None or not _soaks(run):
        return
    recipe = revisions.recipe_of(run.job.revision)
    try:
        problem = _ask(run, recipe)
    except (HostFailed, LinkLost, TimeoutError) as error:
        log.info("host run %s could not be asked: %s", run.pk, error)
        return
    if problem:
        _is_ill(run, recipe, problem)
    else:
        HostRun.objects.filter(pk=run.pk, fence=run.fence, ill__gt=0).update(ill=0)


def health(recipe: recipes.Recipe) -> int | None:
    """The step that says whether a host is well: the last wait; None where there is none."""
    waits = [n for n, step in enumerate(recipe.steps) if step.wait]
    return waits[-1] if waits else None


def _soaks(run: HostRun) -> bool:
    """Whether what is on the host is to stay well for this job."""
    soaks = Batch.objects.filter(job=run.job_id, n=run.batch, gate=Gate.SOAKING).exists()
    newer = newer_attempts(run.job).filter(host_run__host=run.host_id)
    return soaks and not newer.exists()


def _ask(run: HostRun, recipe: recipes.Recipe) -> str:
    """What is wrong, empty for nothing. Raises HostFailed, LinkLost, TimeoutError where the host
    could not be asked."""
    variables = target.variables(run, run.target or {})
    session = ssh.connect(target.of_run(run))
    try:
        return _probe(session, recipe, variables) or _version(
            session, recipe, variables, wanted=target.version_wanted(run)
        )
    finally:
        session.close()


def _probe(session: ssh.Session, recipe: recipes.Recipe, variables: commands.Variables) -> str:
    n = health(recipe)
    if n is None or (wait := recipe.steps[n].wait) is None:
        return ""
    program, mark = commands.probe(wait.run, variables, limit=wait.probe_limit)
    limit = wait.probe_limit + GRACE
    result = session.run(program.command, stdin=program.stdin, timeout=limit)
    if result.exit_status == 0:
        return ""
    said = _masked(result.stdout.partition(mark)[2].partition(b"\n")[2], variables)
    return _("step “%(step)s” ended with exit status %(status)s: %(said)s") % {
        "step": recipe.steps[n].name,
        "status": result.exit_status,
        "said": said or _("nothing"),
    }


def _version(
    session: ssh.Session,
    recipe: recipes.Recipe,
    variables: commands.Variables,
    *,
    wanted: str | None,
) -> str:
    if not recipe.current:
        return ""
    program, mark = commands.probe(recipe.current, variables, limit=GRACE)
    result = session.run(program.command, stdin=program.stdin, timeout=2 * GRACE)
    found = _masked(result.stdout.partition(mark)[2].partition(b"\n")[2], variables)
    if result.exit_status == 0 and found == wanted:
        return ""
    return _("the host says %s") % (found or _("nothing"))


def _masked(output: bytes, variables: commands.Variables) -> str:
    return words(output, Mask(variables.secret.values()))[-LONGEST:]


@transaction.atomic
def _is_ill(run: HostRun, recipe: recipes.Recipe, problem: str) -> None:
    job = journal.lock(run.job_id)
    mine = HostRun.objects.filter(pk=run.pk, state=HostRunState.SUCCEEDED, fence=run.fence)
    if job.cancelled or not _soaks(run) or not mine.update(ill=F("ill") + 1):
        return
    ill = mine.values_list("ill", flat=True).get()
    if ill < ILL:
        text = _("not well, %(n)s of %(most)s times: %(problem)s") % {
            "n": ill,
            "most": ILL,
            "problem": problem,
        }
        news = journal.News(Event.Kind.NOTE, {"text": text}, host_run=run.pk)
        journal.append(job.pk, [news])
        return
    fell = _("it was updated, and then fell over: %s")
    if run.undoes_id:
        fell = _("it was taken back, and then fell over: %s")
    error = fell % problem
    changes = {
        "error": error,
        "holds_host": True,
        "ended_at": None,
        "wish": "",
        "activity": "",
        "ill": 0,
        "rung_at": clock.now(),
        "fence": F("fence") + 1,
    }
    if (step := health(recipe)) is not None:
        # Where a retry begins.
        changes["step"] = step
    try:
        with transaction.atomic():
            journal.move_host_runs(
                job,
                [run.pk],
                [HostRunState.SUCCEEDED],
                HostRunState.QUEUED,
                reason=error,
                **changes,
            )
    except IntegrityError:
        return  # another job has the host by now, and what is there is that one's
    transaction.on_commit(lambda: bells.ring_host_runs([run.pk]), robust=True)
