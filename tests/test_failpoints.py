"""Where a test may end a process: each point has a name, and every name a place."""

import re

import pytest

from deploy_tasks import failpoints
from deploy_tasks.failpoints import POINTS, failpoint
from webapp.env import BASE


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    failpoints.disarm()


def test_every_failpoint_has_a_place_and_every_place_a_name() -> None:
    found = set()
    for path in (BASE / "deploy_tasks").rglob("*.py"):
        found |= set(re.findall(r"\bfailpoint\(\"([^\"]+)\"\)", path.read_text()))
    assert found == set(POINTS)


def test_it_acts_at_its_time_and_once() -> None:
    done = []
    failpoints.at("log.read", lambda: done.append("read"), times=2)
    failpoint("log.told")
    failpoint("log.read")
    assert done == []
    failpoint("log.read")
    failpoint("log.read")
    assert done == ["read"]


@pytest.mark.parametrize("text", ["nowhere:kill", "log.read", "log.read:die", "log.read:kill:x"])
def test_one_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        failpoints.arm(text)
