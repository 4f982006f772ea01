"""A rollout in words, for those who read what was ordered."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks.rollout import Rollout
from webapp.verdict import duration


def terms(rollout: Rollout) -> str:
    """``1 host first, batches 10%, 50%, 100%, 50 at a time, halts after 3 failures``."""
    return _(", ").join(_parts(rollout))


def _parts(rollout: Rollout) -> Iterator[str]:
    if rollout.preflight:
        yield _("the hosts are checked first")
    yield from _canary(rollout.canary)
    yield _("batches %s") % ", ".join(str(size) for size in rollout.batches or ("100%",))
    if rollout.stages_ahead:
        yield _("staged ahead, %(n)s at a time") % {"n": rollout.stage_parallel}
    yield _("%(n)s at a time") % {"n": rollout.parallel}
    if rollout.stagger:
        yield _("%(time)s between two starts") % {"time": _time(rollout.stagger)}
    if rollout.max_failed == 0:
        yield _("the first failure halts it")
    elif rollout.max_failed is not None:
        yield _("at most %(n)s may fail") % {"n": rollout.max_failed}
    if rollout.max_failed_in_batch is not None:
        yield _("at most %(n)s of a batch may fail") % {"n": rollout.max_failed_in_batch}
    if rollout.on_halt == "rollback":
        yield _("too many failures roll it back")
    yield from _between(rollout)
    for label, most in rollout.max_down.items():
        yield _("at most %(n)s of each %(label)s down") % {"n": most, "label": label}
    if rollout.per_machine is not None:
        yield _("at most %(n)s down on a machine") % {"n": rollout.per_machine}
    if rollout.batch_by:
        yield _("one %(label)s after the other") % {"label": rollout.batch_by}
    if rollout.order_by:
        label = rollout.order_by.removeprefix("-")
        reverse = rollout.order_by.startswith("-")
        text = (
            _("in the order of %(label)s, last first")
            if reverse
            else _("in the order of %(label)s")
        )
        yield text % {"label": label}


def _between(rollout: Rollout) -> Iterator[str]:
    """What stands between two batches."""
    if isinstance(rollout.soak, tuple):
        times = ", ".join(_time(one) for one in rollout.soak)
        yield _("batch after batch stays well for %(times)s") % {"times": times}
    elif rollout.soak:
        yield _("each batch stays well for %(time)s") % {"time": _time(rollout.soak)}
    if isinstance(rollout.gate, tuple):
        gates = [n for n, gate in enumerate(rollout.gate, 1) if gate == "manual"]
        named = ", ".join(map(str, gates)) + (" …" if rollout.gate[-1] == "manual" else "")
        if gates:
            yield _("after batch %(n)s the next one waits to be promoted") % {"n": named}
    elif rollout.gate == "manual":
        yield _("each next batch waits to be promoted")


def _canary(canary: int | str | tuple[str, ...] | dict[str, str]) -> Iterator[str]:
    if not canary:
        return
    if isinstance(canary, str):
        yield _("%(hosts)s first") % {"hosts": canary}
        return
    if isinstance(canary, int):
        yield ngettext("%(n)s host first", "%(n)s hosts first", canary) % {"n": canary}
        return
    named = canary if isinstance(canary, tuple) else [f"{k}={v}" for k, v in canary.items()]
    yield _("%(hosts)s first") % {"hosts": ", ".join(named)}


def _time(seconds: float) -> str:
    return duration(timedelta(seconds=seconds))
