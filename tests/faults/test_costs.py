"""What an update costs a worker and its hosts, counted and not timed: see docs/PERFORMANCE.md."""

import re
import threading
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from demo.fleet import Fleet
from deploy_tasks import conductor, ssh
from tests import factories
from tests.faults.crew import Crew
from tests.faults.jobs import make_game, start, wait_for_end

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

#: As most are: what is brought, what is done, and how it went.
RECIPE = """\
recipe: costs
steps:
  - {name: bring, upload: artifact}
  - {name: stop, disruptive: true, run: echo stopping}
  - {name: work, run: "tar -tf \\"$artifact\\" >/dev/null 2>&1 || seq 1 200"}
  - {name: health, run: echo well}
"""


#: As SQLite is told; PostgreSQL's driver says it by itself.
BEGIN = "BEGIN"


class Ledger:
    """What was asked of the database, by the kind of thread that asked; and of hosts."""

    def __init__(self) -> None:
        self.statements: dict[str, list[str]] = {}
        self.channels = 0

    def note(self, text: str) -> None:
        who = re.split(r"[-_ ]\d", threading.current_thread().name)[0]
        self.statements.setdefault(who, []).append(text)

    def transactions(self, who: str) -> list[list[str]]:
        """The statements of each, that of its beginning left out."""
        found: list[list[str]] = []
        for text in self.statements[who]:
            if text == BEGIN:
                found.append([])
            else:
                found[-1].append(text)
        return found


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    ledger = Ledger()
    execute, open_ = CursorWrapper.execute, ssh.Session.open
    set_autocommit = BaseDatabaseWrapper.set_autocommit

    def noted(self: CursorWrapper, sql: str, params: Any = None) -> Any:
        if not sql.startswith(BEGIN):
            ledger.note(sql)
        return execute(self, sql, params)

    def begun(self: BaseDatabaseWrapper, autocommit: bool, **how: bool) -> None:
        if not autocommit:
            ledger.note(BEGIN)
        set_autocommit(self, autocommit, **how)

    def opened(self: ssh.Session, command: str) -> ssh.Channel:
        ledger.channels += 1
        return open_(self, command)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    monkeypatch.setattr(BaseDatabaseWrapper, "set_autocommit", begun)
    monkeypatch.setattr(ssh.Session, "open", opened)
    return ledger


def test_an_update_takes_one_channel_a_host_and_few_statements(
    fleet: Fleet, crew: Crew, ledger: Ledger
) -> None:
    """Measured: a channel is 3 ms of host and worker, a message 2 ms, a statement half of one."""
    hosts = fleet.hosts[:4]
    assert len(hosts) == 4
    game = make_game(fleet, RECIPE, hosts)
    crew.start()
    job = start(game, *hosts, rollout={"parallel": 2})
    wait_for_end(job, "succeeded")
    assert ledger.channels == len(hosts)
    # The first two are rung for; each hand that is free again takes the next one by itself.
    assert sum(thread.name.startswith("run_hosts") for thread in crew.threads) == 1
    assert "host" not in ledger.statements, "threads of hosts ask at the desk"
    asked = ledger.statements["clerk"]
    of_job = [text for text in asked if text.startswith('SELECT "deploy_tasks_job"."id"')]
    assert 1 <= len(of_job) <= 2, "read once; two that begin together may both read it"
    assert len(asked) - len(of_job) == len(hosts), "other jobs' limits"
    # Two hosts in three moments of their passages: set-wise, whatever the number of hosts.
    flushes = ledger.transactions("journal")
    assert max(len(flush) for flush in flushes) <= 10
    changed = 'UPDATE "deploy_tasks_attempt"'
    assert max(sum(text.startswith(changed) for text in flush) for flush in flushes) == 1


def test_a_conductor_asks_as_much_for_many_hosts_as_for_one(
    nobody: None, ledger: Ledger, transactional_db: None
) -> None:
    asked = []
    for hosts in (2, 40):
        job = factories.job(factories.game(name=f"of-{hosts}"), hosts, rollout={"parallel": hosts})
        before = len(ledger.statements.get("MainThread", []))
        conductor.conduct(job.pk)
        asked.append(len(ledger.statements["MainThread"]) - before)
    assert asked[0] == asked[1] <= 15
