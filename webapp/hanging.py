"""Steps in which hosts hang: they take so many times as long as others that patience is no answer.
Which hosts, and what one of them printed last."""

from collections.abc import Iterable, Mapping

from deploy_tasks import causes, events
from deploy_tasks.models import Attempt, Job
from deploy_tasks.states import AttemptState
from webapp.shapes import HangingReport, StepPace

#: So many times what nearly all took, and so many seconds.
TIMES = 10.0
SECONDS = 300.0
#: What is usual may be nothing at all.
SHORTEST = 0.1
#: Of an output's end, for its last line.
END = 2048


def hanging(
    job: Job, steps: Iterable[StepPace], slow: Mapping[str, tuple[str, float]]
) -> list[HangingReport]:
    """Of the hosts that are ``slow``, each at a step for so many seconds. Costs two queries for
    each step in which some hang."""
    found: list[HangingReport] = []
    for step in steps:
        ages = {host: age for host, (name, age) in slow.items() if name == step["step"]}
        long = max(SECONDS, TIMES * (step["p95"] or 0))
        hosts = sorted((host for host in ages if ages[host] > long), key=lambda host: -ages[host])
        if hosts:
            times = ages[hosts[-1]] / max(SHORTEST, step["p50"] or 0)
            line = _last_line(job, hosts[0])
            found.append({"step": step["step"], "times": times, "hosts": hosts, "line": line})
    return found


def _last_line(job: Job, host: str) -> str:
    runs = Attempt.objects.filter(
        host_run__job=job, host_run__name=host, state=AttemptState.RUNNING
    )
    attempt = runs.order_by("pk").last()
    told = events.output(attempt, limit=END) if attempt else []
    lines = map(causes.plain, "".join(item.fields["d"] for item in told).splitlines())
    return next((line for line in reversed(list(lines)) if line), "")
