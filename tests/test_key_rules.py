"""Host CAs at work: hosts that nobody was asked about, in a look and in a job."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from deploy_tasks import host_keys, key_rules, looking, orders, ssh, vault
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import AuditEntry, Host, HostCheck, HostKey, Job
from deploy_tasks.orders import JobOrder
from deploy_tasks.runner import target
from tests import factories
from tests.certified import Certified
from tests.faults.jobs import make_game
from tests.runner.world import Worker, workers
from tests.ssh_keys import public_of
from tests.waiting import until

__all__ = ["workers"]

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

RECIPE = """\
recipe: one
steps:
  - name: work
    run: echo done
"""


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Certified]:
    certified = Certified(tmp_path)
    with certified.fleet:
        certified.sign()
        yield certified


@pytest.fixture
def host(far: Certified, settings: LazySettings, tmp_path: Path) -> Host:
    """In the inventory; no key of it is pinned."""
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()
    make_game(far.fleet, RECIPE)
    HostKey.objects.all().delete()
    return Host.objects.get()


def believe(far: Certified, by: User) -> None:
    given = f"@cert-authority * {public_of(far.ca)}\n"
    host_keys.approve_listed(Host.objects.all(), given, by=by)


def pinned(host: Host) -> list[str]:
    return list(host.keys.filter(approved_at__isnull=False).values_list("key", flat=True))


def found(host: Host) -> dict[str, tuple[str, str]]:
    looking.look_at(Host.objects.get(pk=host.pk))
    items = HostCheck.objects.get(host=host).items
    return {item["part"]: (item["result"], item["says"]) for item in items}


def test_a_look_pins_a_host_whose_certificate_is_good(
    far: Certified, host: Host, mira: User
) -> None:
    assert found(host)["key"][0] == "problem"
    believe(far, mira)
    authority = ssh.fingerprint(public_of(far.ca))
    key = found(host)
    assert key["key"] == (
        "ok",
        f"{ssh.fingerprint(public_of(far.key))}, by a certificate of the host CA {authority}",
    )
    assert key["login"][0] == "ok"
    assert pinned(host) == [public_of(far.key)]
    entry = AuditEntry.objects.order_by("-number")[0]
    assert (entry.action, entry.object) == ("pin_certified_key", host.name)


def test_a_look_says_why_a_certificate_is_not_believed(
    far: Certified, host: Host, mira: User
) -> None:
    believe(far, mira)
    far.sign(names="another")
    result, says = found(host)["key"]
    assert result == "problem"
    assert says.startswith("its certificate is for another, not for")
    assert pinned(host) == []


def test_a_job_goes_to_hosts_that_their_certificates_vouch_for(
    far: Certified, host: Host, mira: User, workers: list[Worker]
) -> None:
    with pytest.raises(InvalidInput, match="no host key of"):
        start(mira)
    believe(far, mira)
    assert ended(start(mira)) == "succeeded"
    assert pinned(host) == [public_of(far.key)]
    far.change_key()
    assert ended(start(mira)) == "succeeded"
    assert pinned(host) == [public_of(far.key)]
    entries = AuditEntry.objects.filter(action="pin_certified_key").order_by("number")
    before, after = (one.details["after"]["host_key"] for one in entries)
    assert entries[1].details["before"]["host_key"] == before
    assert before != after


def test_a_way_through_is_known_by_its_certificate_too(
    far: Certified, host: Host, mira: User
) -> None:
    behind = factories.host(host.game, "behind", via=host)
    believe(far, mira)
    HostCheck.objects.all().delete()
    assert key_rules.knowable([behind]) >= {host.pk, behind.pk}
    via = target.of_host(Host.objects.get(pk=behind.pk)).via
    assert via
    with contextlib.closing(ssh.connect(via)) as session:
        assert session.vouched


def start(by: User) -> Job:
    order = {"game": "squid", "version": "2.0", "all": True, "force": True}
    return orders.start_job(JobOrder.model_validate(order), by=by)[0]


def ended(job: Job) -> str:
    def is_over() -> bool:
        job.refresh_from_db()
        return job.ended_at is not None

    until(is_over, "the job has ended", seconds=30)
    run = job.host_runs.get()
    assert run.error == ""
    return job.state
