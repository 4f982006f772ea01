"""Keeps the host runs that this worker process carries, and looks for those that nobody carries.

Two threads: one renews leases, reads wishes and reconciles, by its own timer; one conducts jobs
of which a host run has ended, each job once for however many ended in that moment. Host runs
have threads of their own (`deploy_tasks.hands`) while something happens on their hosts.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from django.conf import settings
from django.db import close_old_connections, connection

from deploy_tasks import bells, conductor, desk, disk, leases, soaking
from deploy_tasks.failpoints import failpoint
from deploy_tasks.hands import Hands
from deploy_tasks.journal import Writer, change_host_runs
from deploy_tasks.models import HostRun
from deploy_tasks.reading import FrozenJobs, begin_with
from deploy_tasks.reconciling import left_behind, mark, reconcile
from deploy_tasks.runner import Carriage, carry, claimable
from deploy_tasks.wishes import Wish

log = logging.getLogger(__name__)

#: Seconds.
LOOK_EVERY = 1.0
RENEW_EVERY = 5.0
MEASURE_EVERY = 300.0
#: Between two looks at jobs, so many times what the last one took, at most so many seconds: where
#: much goes on more hosts have ended by then, and a look costs hardly more for ten than for one.
#: No longer than until so many hosts of a job have ended.
REST, LONGEST_REST, ENOUGH = 10, 0.5, 5
#: For host runs to be let go of, when the worker ends.
CLOSE_WITHIN = 30.0


class Keeper:
    """One per worker process. ``start`` and ``stop`` belong to the worker's life."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.writer = Writer(on_ended=self.conduct_soon)
        self._carriages: dict[int, Carriage] = {}
        #: Host runs that were ours by their rows when we looked last.
        self._held_last: set[int] = set()
        self._reconciled = -math.inf
        self._jobs_read = FrozenJobs()
        self._lock = threading.Lock()
        #: Jobs to be conducted, and how many of their host runs have ended here since.
        self._jobs: Counter[int] = Counter()
        self._jobs_wait = threading.Condition()
        self._hands = Hands(name="host", begin=desk.use)
        self._free_hands = threading.Semaphore(settings.WORKER_THREADS)
        self._some_are_left = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in ((self._keep, "keeper"), (self._conduct, "conductor"))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let go of every host run: the hosts go on, and the next worker attaches at once."""
        self.stopping.set()
        for carriage in self._mine().values():
            carriage.wake()
        with self._jobs_wait:
            self._jobs_wait.notify_all()

    def close(self) -> None:
        """After the last thread has let go: write what is left, end the threads."""
        self.stop()
        for thread in self._threads:
            thread.join(5)
        self._hands.close(within=CLOSE_WITHIN)
        self.writer.close()

    def run_hosts(self, host_run_ids: Iterable[int]) -> None:
        """Begin to carry as many as there are free hands.

        The others are left, and nobody waits for them: whichever worker has a hand free first
        takes them.
        """
        ids = list(host_run_ids)
        taken = self._take_free_hands(len(ids))
        self._hand_out(ids[:taken])
        if left := ids[taken:]:
            self._leave(left)

    def _leave(self, ids: Sequence[int]) -> None:
        change_host_runs(HostRun.objects.filter(pk__in=ids), rung_at=None)
        self._some_are_left.set()

    def _ring(self, ids: Sequence[int]) -> None:
        """Any worker may have them; where no bell can be rung for them, they are left."""
        if not bells.ring_host_runs(ids):
            self._leave(ids)

    def _take_left(self) -> None:
        """Hands that are free take what was left, here or by another worker."""
        self._some_are_left.clear()
        left = left_behind(settings.WORKER_THREADS)
        hands, ours = self._take_free_hands(len(left)), []
        try:
            ours = mark(left[:hands])
        finally:
            if idle := hands - len(ours):
                self._free_hands.release(idle)
        if len(left) > hands or len(left) == settings.WORKER_THREADS:
            self._some_are_left.set()
        self._hand_out(ours)

    def _take_next(
        self, job_id: int, ended: int, ours: list[int], left: list[int], ids: list[int]
    ) -> list[int]:
        """Hand the next host runs of a job to hands that have just become free.

        Puts those into ``ours``, and into ``left`` the others, for any worker to take. Gives none
        back: there is nothing more to ring for.
        """
        with self._jobs_wait:
            # Those of the last commit may not have been counted when their job's turn came.
            ended += self._jobs.pop(job_id, 0)
        hands = self._take_free_hands(min(ended, len(ids)))
        ours += ids[:hands]
        left += ids[hands:]
        return []

    def _take_unheard(self, ids: list[int]) -> list[int]:
        """Take host runs whose bells nobody heard: with the broker away, more would be lost."""
        self.run_hosts(ids)
        return []

    def _hand_out(self, ids: Sequence[int]) -> None:
        """To hands that were taken for them."""
        if not ids:
            return
        try:
            rows, burnt = begin_with(ids)
        except BaseException:
            self._free_hands.release(len(ids))
            raise
        for pk in ids:
            run = rows.get(pk)
            self._hands.take(self._run_and_free(run, burnt[run.job_id] if run else None))

    def _take_free_hands(self, wanted: int) -> int:
        """How many there are, of those wanted; none when the worker stops."""
        taken = 0
        if not self.stopping.is_set():
            while taken < wanted and self._free_hands.acquire(blocking=False):
                taken += 1
        return taken

    async def _run_and_free(self, run: HostRun | None, burnt: frozenset[str] | None) -> None:
        try:
            if run:
                await self._run_host(run, burnt=burnt)
        except Exception:
            log.exception("host run %s is left to the reconciler", run and run.pk)
        finally:
            close_old_connections()
            self._free_hands.release()
            if self._some_are_left.is_set():
                with desk.tried_again("take host runs that were left"):
                    self._take_left()

    async def _run_host(self, run: HostRun, *, burnt: frozenset[str] | None) -> None:
        """Carry a host run, if nobody does. A second delivery of the same bell ends here.

        ``burnt``: see `Carriage`.
        """
        if not claimable(run) or self.stopping.is_set():
            return
        run.job = self._jobs_read.get(run.job_id)
        wish = Wish(run.wish)
        carriage = Carriage(run.pk, run.fence + 1, self.stopping, wish=wish, burnt=burnt)
        with self._carrying(carriage) as mine:
            if mine:
                failpoint("run.begun")
                await carry(run, writer=self.writer, carriage=carriage)

    @contextmanager
    def _carrying(self, carriage: Carriage) -> Iterator[bool]:
        with self._lock:
            mine = carriage.host_run not in self._carriages
            if mine:
                self._carriages[carriage.host_run] = carriage
        try:
            yield mine
        finally:
            if mine:
                with self._lock:
                    del self._carriages[carriage.host_run]
                if not self._carriages:
                    with self._jobs_wait:
                        self._jobs_wait.notify_all()

    def conduct_soon(self, ended: Mapping[int, int]) -> None:
        """``ended``: how many host runs have ended here, by job."""
        if not ended:
            return
        with self._jobs_wait:
            self._jobs.update(ended)
            self._jobs_wait.notify_all()

    def _is_worth_a_look(self) -> bool:
        """With nothing under way here there is nobody to wait for."""
        ended = max(self._jobs.values(), default=0)
        return ended >= ENOUGH or not self._carriages or self.stopping.is_set()

    def _conduct(self) -> None:
        rested_at = -math.inf
        while True:
            with self._jobs_wait:
                while not self._jobs and not self.stopping.is_set():
                    self._jobs_wait.wait()
                self._jobs_wait.wait_for(
                    self._is_worth_a_look, max(0.0, rested_at - time.monotonic())
                )
            began = time.monotonic()
            with self._jobs_wait:
                jobs, self._jobs = self._jobs, Counter()
            if not jobs:
                break
            for job_id, ended in jobs.items():
                with desk.tried_again("conduct a job"):
                    ours: list[int] = []
                    left: list[int] = []
                    take = partial(self._take_next, job_id, ended, ours, left)
                    with ExitStack() as then:
                        # The journal waits neither for a broker nor for rows to be read.
                        then.callback(self._ring, left)
                        then.callback(self._hand_out, ours)
                        with self.writer.turn, bells.offered(take):
                            conductor.conduct(job_id)
            now = time.monotonic()
            rested_at = now + min(LONGEST_REST, REST * (now - began))
        connection.close()

    def _keep(self) -> None:
        renewed = measured = -math.inf
        pause = 0.0
        # Each apart: whatever is wrong with one of them, the leases must be renewed.
        while not self.stopping.wait(pause):
            pause, now = LOOK_EVERY, time.monotonic()
            with desk.tried_again("look after host runs"):
                self._look()
            with desk.tried_again("renew leases"):
                if now - renewed >= RENEW_EVERY:
                    self._renew()
                    renewed = now
            with desk.tried_again("reconcile"):
                if now - self._reconciled >= RENEW_EVERY:
                    self._reconcile()
            with desk.tried_again("measure the disk"):
                if now - measured >= MEASURE_EVERY:
                    measured = now
                    leases.forget_workers()
                    disk.look()
        connection.close()

    def _look(self) -> None:
        self._held_last = leases.heed_wishes(self._mine())
        self.conduct_soon(dict.fromkeys(conductor.jobs_to_wake(), 0))
        self._take_left()
        soaking.ring_due()

    def _mine(self) -> dict[int, Carriage]:
        with self._lock:
            return dict(self._carriages)

    def _renew(self) -> None:
        leases.renew(but=self._held_last - self._mine().keys())

    def reconcile_if_late(self) -> None:
        """For whoever has another timer than ours: ours may hang."""
        if time.monotonic() - self._reconciled > RENEW_EVERY + LOOK_EVERY:
            self._reconcile()

    def _reconcile(self) -> None:
        self._reconciled = time.monotonic()
        reconcile(take=self._take_unheard)
