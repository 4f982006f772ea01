"""An order like that of an earlier job: what the start page is filled in with."""

from deploy_tasks.models import Host, Job
from webapp.forms import ALL, LIKE, NAMES, NOW


def asked(job: Job) -> dict[str, object]:
    """Values of JobForm's fields; hosts that have left the inventory are left out. The note is not
    among them: why it is done again is another reason."""
    hosts = Host.objects.filter(game=job.game)
    there = list(hosts.filter(host_runs__job=job).order_by("name").values_list("name", flat=True))
    everybody = len(there) == hosts.count()
    return {
        "version": job.release.version,
        "which": ALL if everybody else NAMES,
        "host": [] if everybody else there,
        "names": "" if everybody else " ".join(there),
        "rollout": LIKE,
        "preflight": job.rollout.get("preflight", False),
        "force": job.force,
        "when": NOW,
        **{f"var_{name}": _typed(value) for name, value in job.vars.items()},
    }


def _typed(value: object) -> object:
    """As a person fills it in."""
    return str(value).lower() if isinstance(value, bool) else value
