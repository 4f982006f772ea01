"""What an instance still needs before its first update: the next thing to do is named first."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Exists, OuterRef

from deploy_tasks.models import HostKey
from webapp import access


class Step(StrEnum):
    """In the order in which a person takes them."""

    INVENTORY = "inventory"
    KEYS = "keys"
    RELEASE = "release"
    UPDATE = "update"


@dataclass(frozen=True)
class FirstStep:
    step: Step
    done: bool
    #: The first that is not done.
    next: bool
    #: Of what is missing, how many: hosts without an approved key.
    count: int = 0


def first_steps(user: access.Visitor) -> Sequence[FirstStep]:
    """Empty from the first update on."""
    if access.visible_jobs(user).exists():
        return []
    hosts, releases = access.visible_hosts(user), access.visible_releases(user)
    approved = HostKey.objects.filter(host=OuterRef("pk"), approved_at__isnull=False)
    there, unpinned = hosts.exists(), hosts.filter(~Exists(approved)).count()
    done = {
        Step.INVENTORY: there,
        Step.KEYS: there and not unpinned,
        Step.RELEASE: releases.exists(),
        Step.UPDATE: False,
    }
    following = next(step for step, is_done in done.items() if not is_done)
    counts = {Step.KEYS: unpinned}
    return [
        FirstStep(step, is_done, step == following, counts.get(step, 0))
        for step, is_done in done.items()
    ]
