"""How hosts stand: by the last host run of each, and by its keys."""

from django.db.models import (
    Case,
    Exists,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextChoices,
    When,
)
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from deploy_tasks.models import Host, HostKey, HostRun
from deploy_tasks.states import HOST_ENDED, HOST_UNDER_WAY, HostRunState, Link

SILENT = Q(link=Link.UNREACHABLE) & ~Q(state__in=HOST_ENDED)
BAD = (HostRunState.FAILED, HostRunState.ROLLED_BACK, HostRunState.UNKNOWN)
IN_TROUBLE = Q(down=True) | Q(state__in=BAD) | SILENT


class Standing(TextChoices):
    """By which hosts are looked for."""

    TROUBLE = "trouble", _("needs a person")
    DOWN = "down", _("down")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")
    UNREACHABLE = "unreachable", _("unreachable")
    UPDATING = "updating", _("being updated")
    DONE = "done", _("updated or skipped")
    NEVER = "never", _("no job yet")
    UNPINNED = "unpinned", _("no approved key")


#: What the last host run of such a host is like.
RUNS = {
    Standing.TROUBLE: IN_TROUBLE,
    Standing.DOWN: Q(down=True),
    Standing.FAILED: Q(state__in=[HostRunState.FAILED, HostRunState.ROLLED_BACK]),
    Standing.UNKNOWN: Q(state=HostRunState.UNKNOWN),
    Standing.UNREACHABLE: SILENT,
    Standing.UPDATING: Q(state__in=[HostRunState.WAITING, *HOST_UNDER_WAY]),
    Standing.DONE: Q(state__in=[HostRunState.SUCCEEDED, HostRunState.SKIPPED], down=False),
}


def standing(hosts: QuerySet[Host], wanted: Standing) -> QuerySet[Host]:
    if wanted == Standing.UNPINNED:
        return hosts.exclude(Exists(_approved_keys()))
    if wanted == Standing.NEVER:
        return hosts.exclude(Exists(HostRun.objects.filter(host=OuterRef("pk"))))
    like = HostRun.objects.filter(RUNS[wanted], pk=OuterRef("last_run"))
    return hosts.alias(last_run=_last_run()).filter(Exists(like))


def seen_at(hosts: QuerySet[Host], version: str) -> QuerySet[Host]:
    """Those that said this version in their last job that asked; empty: that never said one."""
    return hosts.alias(seen=seen_version()).filter(seen=version or None)


def last_runs(hosts: QuerySet[Host]) -> QuerySet[HostRun]:
    """The newest host run of each host that has one."""
    return HostRun.objects.filter(pk__in=hosts.annotate(last_run=_last_run()).values("last_run"))


def in_trouble(hosts: QuerySet[Host]) -> QuerySet[HostRun]:
    """The last host run of each host that needs a person: those that wait for an answer first, then
    those that are down, then out of reach; of the others the newest first, as among them."""
    rank = Case(
        When(state=HostRunState.UNKNOWN, then=0),
        When(down=True, then=1),
        When(SILENT, then=2),
        default=3,
        output_field=IntegerField(),
    )
    newest = Coalesce("ended_at", "link_since").desc(nulls_last=True)
    return last_runs(hosts).filter(IN_TROUBLE).order_by(rank, newest, "name")


def seen_version() -> Subquery:
    """What a host said last."""
    runs = HostRun.objects.filter(host=OuterRef("pk")).exclude(version="").order_by("-pk")
    return Subquery(runs.values("version")[:1])


def pinned() -> Exists:
    """Whether a job may run on the host."""
    return Exists(_approved_keys())


def _approved_keys() -> QuerySet[HostKey]:
    return HostKey.objects.filter(host=OuterRef("pk"), approved_at__isnull=False)


def _last_run() -> Subquery:
    return Subquery(HostRun.objects.filter(host=OuterRef("pk")).order_by("-pk").values("pk")[:1])
