"""A disk that is nearly full wakes somebody while there is time."""

import shutil
import socket
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from deploy_tasks import bells, calls, disk, keeper
from deploy_tasks.keeper import Keeper
from deploy_tasks.models import MOMENTS, Call, Pager
from tests import factories
from tests.waiting import until
from webapp.calls.sentences import sentence

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 1 << 30


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(bells, "ring_calls", lambda ids: found.extend(ids))
    return found


def left(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 100 * GIB) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: (total, total - free, free))


def pager(name: str, **more: Any) -> Pager:
    given: dict[str, Any] = {"kind": "webhook", "moments": list(MOMENTS), "sealed": b""}
    return Pager.objects.create(name=name, **(given | more))


@pytest.mark.parametrize(("free", "word"), [(6 * GIB, "ok"), (4 * GIB, "low"), (100 << 20, "full")])
def test_it_is_low_while_there_is_time(
    monkeypatch: pytest.MonkeyPatch, free: int, word: str
) -> None:
    left(monkeypatch, free)
    assert (disk.word(), disk.free()) == (word, free)


def test_pagers_of_all_games_that_want_it_are_called(
    monkeypatch: pytest.MonkeyPatch, rung: list[int]
) -> None:
    left(monkeypatch, 4 * GIB)
    pager("ops")
    pager("squid-desk", game=factories.game("squid"))
    pager("jobs-only", moments=["halted"])
    disk.look()
    call = Call.objects.get()
    assert (call.pager.name, call.moment, call.job, rung) == ("ops", "disk", None, [call.pk])
    assert sentence(call, None, None) == (
        f"The disk of {socket.gethostname()} is nearly full: 4.0\xa0GB left at"
        f" {call.at:%Y-%m-%d %H:%M} UTC."
    )


def test_each_machine_is_told_of_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    left(monkeypatch, 4 * GIB)
    pager("ops")
    disk.look()
    disk.look()
    assert Call.objects.count() == 1
    calls.note_disk(machine="another", free=0)
    assert Call.objects.count() == 2
    Call.objects.update(at=F("at") - timedelta(days=1, minutes=1))
    disk.look()
    assert Call.objects.count() == 3


def test_with_enough_left_nobody_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    left(monkeypatch, 50 * GIB)
    pager("ops")
    disk.look()
    assert not Call.objects.exists()


def test_every_worker_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    left(monkeypatch, 4 * GIB)
    pager("ops")
    monkeypatch.setattr(keeper, "LOOK_EVERY", 0.05)
    worker = Keeper()
    worker.start()
    until(lambda: Call.objects.filter(moment="disk").exists(), "it calls")
    worker.stop()
    worker.close()
