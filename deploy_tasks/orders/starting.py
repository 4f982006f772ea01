"""Start a job: all of it or nothing, once for an idempotency key."""

import hashlib
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deploy_tasks import audit, checking, journal, locks
from deploy_tasks.errors import HostsBusy, KeyReused
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Batch, Event, Host, Job
from deploy_tasks.orders.choosing import Choice, JobOrder, choose
from deploy_tasks.orders.fitting import misfits, never_let_in
from deploy_tasks.orders.records import add_batches, add_host_runs, ring
from deploy_tasks.orders.taken import busy, hosts_busy


def start_job(order: JobOrder, *, by: User, key: str | None = None) -> tuple[Job, bool]:
    """The job, and whether it is new: the same key and order again give the same job.

    Raises InvalidInput, HostsBusy, KeyReused, AuditUnwritable.
    """
    digest = hashlib.sha256(order.model_dump_json().encode()).hexdigest()
    if earlier := _earlier(by, key, digest):
        return earlier, False
    choice = choose(order)
    if wrong := [*misfits(choice), *never_let_in(choice)]:
        raise wrong[0].error
    try:
        with transaction.atomic():
            return _create(choice, by, key, digest), True
    except (IntegrityError, HostsBusy):
        # Somebody was quicker: with the same key, or with one of these hosts.
        if earlier := _earlier(by, key, digest):
            return earlier, False
        raise hosts_busy(choice.hosts) from None


def _earlier(by: User, key: str | None, digest: str) -> Job | None:
    if not key:
        return None
    job = Job.objects.filter(by=by, idempotency_key=key).first()
    if job and job.order_digest != digest:
        raise KeyReused(_("this key came before, with another order: job #%s") % job.pk)
    return job


def _create(choice: Choice, by: User, key: str | None, digest: str) -> Job:
    if busy(choice.hosts):
        raise hosts_busy(choice.hosts)
    order = choice.order
    job = Job.objects.create(
        game=choice.game,
        release=choice.release,
        revision=choice.revision,
        rollout=choice.rollout.model_dump(mode="json"),
        vars=order.vars,
        force=order.force,
        note=order.note,
        by=by,
        by_name=by.get_username(),
        idempotency_key=key or None,
        order_digest=digest,
        start_at=order.start_at,
    )
    cut = choice.cut
    by_name = {host.name: host for host in choice.hosts}
    numbered = [(n, by_name[name]) for n, names in enumerate(cut.batches, 1) for name in names]
    add_batches(job, cut)
    if job.rollout["preflight"]:
        Batch.objects.create(job=job, n=checking.FIRST)
    add_host_runs(job, [_updating(host, choice) | {"batch": n} for n, host in numbered])
    story = {"who": by.get_username(), "what": "start", "hosts": len(numbered)}
    if order.note:
        story["note"] = order.note
    journal.append(job.pk, [journal.News(Event.Kind.ORDER, story)])
    ring(job)
    failpoint("order.written")
    job.refresh_from_db(fields=["last_seq"])
    given = order.model_dump(mode="json")
    audit.record(by, "start_job", str(job), game=job.game, hosts=len(numbered), order=given)
    return job


def _updating(host: Host, choice: Choice) -> dict[str, Any]:
    """Columns of its host run."""
    lock = locks.of(choice.recipe, host, game=choice.game, job=choice.order.vars)
    return {"host_id": host.pk, "name": host.name, "lock": lock}
