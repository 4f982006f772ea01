"""Keeps enough hosts up, whatever several jobs want: who may begin to go down now.

A host run is counted as down from before its first disruptive step to its end, and longer where it
left its host down. Where no job limits anything it is counted from its claim and goes on; it looks
for limits after that claim is committed. So of a host run that has not looked yet and a job that
limits it, at least one sees the other. Where there are limits it stops before that step, and the
conductor lets it in: one at a time, whatever the job, because all of them lock the same row.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from deploy_tasks import desk
from deploy_tasks.models import Host, HostRun, Instance, Job
from deploy_tasks.prepared import Given, Prepared
from deploy_tasks.recipes import Recipe
from deploy_tasks.rollout import Rollout
from deploy_tasks.rollout.floor import MACHINE, Group, Wanting, admit, strictest
from deploy_tasks.states import HostRunState, JobState

#: In these a job's limits hold for everybody.
IN_FORCE = [JobState.RUNNING, JobState.PAUSED, JobState.HALTED]
BACK_UP = [HostRunState.SUCCEEDED, HostRunState.ROLLED_BACK]


def border(recipe: Recipe) -> int | None:
    """The first step that players feel; None: the recipe names none, and nothing is counted."""
    return next((n for n, step in enumerate(recipe.steps) if step.disruptive), None)


def felt(recipe: Recipe) -> frozenset[int]:
    """Steps that leave a host down where they began and it did not get to its end. What runs at
    every end takes nobody down, wherever it stands."""
    first = border(recipe)
    if first is None:
        return frozenset()
    return frozenset(n for n, step in enumerate(recipe.steps) if n >= first and not step.always)


def holds_nobody(job: Job) -> bool:
    """Whether neither a job itself nor another one limits how many of its hosts are down."""
    limited = Rollout.model_validate(job.rollout).limits_others
    return not limited and not _others_limit(job.game_id, own=job.pk)


@desk.asked
def limits_in_force(game_id: int, *, own: int) -> bool:
    """Whether another job's limits may concern a host of this game."""
    return _others_limit(game_id, own=own)


#: Asked once for each host that is about to go down.
_others_in_force = Prepared(
    lambda: (
        Job.objects.filter(state__in=IN_FORCE)
        .exclude(pk=Given("job"))
        .values_list("game", "rollout")
    )
)


def _others_limit(game_id: int, *, own: int) -> bool:
    return any(
        rollout.get("per_machine") is not None or (rollout.get("max_down") and game == game_id)
        for game, rollout in _others_in_force(job=own)
    )


@dataclass(frozen=True)
class Entry:
    """``enter``: names of hosts that may go down now; ``wait``: name -> why the others wait."""

    enter: set[str]
    wait: dict[str, str]


def let_in(job: Job, held: Sequence[HostRun]) -> Entry:
    """Which of the held host runs of a locked job may go down now. Locks out all other jobs."""
    Instance.hold()
    hosts = [run.host for run in held if run.host]
    down = _down()
    # One that is down already takes nobody's place.
    known = {host.pk for host in down}
    already = {host.name for host in hosts if host.pk in known}
    wanting = [Wanting(host.name, groups(host)) for host in hosts if host.pk not in known]
    counted: Counter[Group] = Counter(group for host in down for group in groups(host))
    allowed = _allowed(job, hosts)
    admission = admit(wanting, counted, allowed)
    waits = {name: _why(group, allowed[group]) for name, group in admission.wait.items()}
    # A host that is no longer in the inventory is let in: it fails by itself, and says why.
    gone = {run.name for run in held if run.host is None}
    return Entry({*admission.enter, *already, *gone}, waits)


def _why(group: Group, most: int) -> str:
    label, value = named(group)
    if label == MACHINE:
        return _("waits: at most %(n)s on machine %(machine)s may be down at a time") % {
            "n": most,
            "machine": value,
        }
    return _("waits: at most %(n)s of %(group)s may be down at a time") % {
        "n": most,
        "group": f"{label}={value}",
    }


def groups(host: Host) -> frozenset[Group]:
    groups = set(_labelled(host.game_id, host.labels))
    if host.machine:
        groups.add((MACHINE, host.machine.name))
    return frozenset(groups)


def named(group: Group) -> tuple[str, str]:
    """The label, or `MACHINE`, and the value, without whose game it is."""
    return group[0].rpartition(":")[2], group[1]


def own_limits(rollout: Rollout, game_id: int, hosts: Iterable[Host]) -> dict[Group, int]:
    """How many of each group that ``hosts`` belong to may be down at a time."""
    limits: dict[Group, int] = {}
    hosts = list(hosts)
    if rollout.per_machine is not None:
        limits |= {(MACHINE, h.machine.name): rollout.per_machine for h in hosts if h.machine}
    if rollout.max_down:
        everyone = Counter(
            group
            for labels in Host.objects.filter(game=game_id).values_list("labels", flat=True)
            for group in _labelled(game_id, labels)
        )
        for host in hosts:
            for group in _labelled(game_id, host.labels):
                label, _value = named(group)
                if label in rollout.max_down:
                    limits[group] = rollout.down_at_most(label, everyone[group])
    return limits


def _allowed(job: Job, hosts: Sequence[Host]) -> dict[Group, int]:
    limits = [own_limits(Rollout.model_validate(job.rollout), job.game_id, hosts)]
    for other in Job.objects.filter(state__in=IN_FORCE).exclude(pk=job.pk):
        terms = Rollout.model_validate(other.rollout)
        if terms.max_down and other.game_id == job.game_id:
            labels = terms.model_copy(update={"per_machine": None})
            limits.append(own_limits(labels, job.game_id, hosts))
        if terms.per_machine is not None:
            theirs = set(other.host_runs.values_list("host__machine", flat=True))
            shared = [host for host in hosts if host.machine_id in theirs]
            machines = terms.model_copy(update={"max_down": {}})
            limits.append(own_limits(machines, job.game_id, shared))
    return strictest(limits)


def brought_up() -> Exists:
    """Whether a later host run has brought the host of this one up again."""
    later = HostRun.objects.filter(host=OuterRef("host"), pk__gt=OuterRef("pk"), state__in=BACK_UP)
    return Exists(later)


def still_down() -> Q:
    """Of a host run: it left its host down, and that is how it is now."""
    return Q(~brought_up(), down=True)


def in_the_way(rollout: Rollout, game_id: int, hosts: Sequence[Host]) -> set[str]:
    """Names of those of ``hosts`` that were left down and fill all places of a group: until they
    are up again the others of it wait."""
    limits = own_limits(rollout, game_id, hosts)
    if not limits:
        return set()
    down = _hosts_of(still_down())
    counted = Counter(group for host in down for group in groups(host))
    full = {group for group, most in limits.items() if counted[group] >= most}
    known = {host.pk for host in down if groups(host) & full}
    return {host.name for host in hosts if host.pk in known}


def _down() -> list[Host]:
    """Hosts that are down or may be, each once."""
    return _hosts_of(Q(~brought_up(), Q(out=True) | Q(down=True)))


def _hosts_of(runs: Q) -> list[Host]:
    found = HostRun.objects.filter(runs)
    return list(Host.objects.filter(pk__in=found.values("host")).select_related("machine"))


def _labelled(game_id: int, labels: dict[str, object]) -> Iterable[Group]:
    # Of one game: another one's eu is not less up for it.
    return [(f"{game_id}:{label}", str(value)) for label, value in labels.items()]
