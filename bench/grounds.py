"""What benchmarks play on: one fleet of SSH hosts, and a running product beside it."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from bench import workload
from bench.cpu import Cpu
from demo.fleet import Fleet
from tests.e2e.world import Product

#: As many as the largest benchmark wants; each of the others takes the first of them.
HOSTS = 1000

T = TypeVar("T")


class Grounds:
    """``with Grounds(directory) as grounds:`` — what was asked for is there until the block ends.

    ``set_up_s``: seconds spent so far on bringing things up and taking them down.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ending = ExitStack()
        self._fleet: Fleet | None = None
        self._product: Product | None = None
        self._end_product = ExitStack()
        self._places = 0
        self._payloads: dict[int, Path] = {}
        self._setting_up = False
        self.set_up_s = 0.0
        #: Has the shared product made an update yet?
        self.warm = False

    def __enter__(self) -> "Grounds":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """All that runs is ended. What is asked for next comes up anew."""
        with self.setting_up():
            self.end_product()
            self._fleet = None
            self._ending.close()

    @property
    def fleet(self) -> Fleet:
        if self._fleet is None:
            with self.setting_up():
                self.fleet_cpu = self._ending.enter_context(Cpu.group("fleet"))
                with self.fleet_cpu.joined():
                    self._fleet = self._ending.enter_context(Fleet(self.place("fleet"), HOSTS))
                workload.make_ready(self._fleet.hosts)
        return self._fleet

    @property
    def product(self) -> Product:
        """The one that benchmarks share."""
        if self._product is None:
            with self.setting_up():
                home = self.place("home")
                self._product = self._end_product.enter_context(Product(home))
        return self._product

    def end_product(self) -> None:
        """For what wants the machine for itself."""
        with self.setting_up():
            self._product, self.warm = None, False
            self._end_product.close()

    def own_product(self, **settings: str) -> AbstractContextManager[Product]:
        """A new one in place of the shared. ``settings``: its ``PATCHWAVE_…``."""
        self.end_product()
        return self.up(Product(self.place("home"), **settings))

    def payload(self, size: int) -> Path:
        """An artifact of so many bytes."""
        if size not in self._payloads:
            place = self.place("payload")
            place.mkdir()
            self._payloads[size] = workload.make_payload(place, size)
        return self._payloads[size]

    def place(self, name: str) -> Path:
        """A path of its own, with a name that nothing else on these grounds has."""
        self._places += 1
        return self._directory / f"{name}-{self._places}"

    @contextmanager
    def up(self, thing: AbstractContextManager[T]) -> Iterator[T]:
        """``thing``, whose coming and going are set-up."""
        with ExitStack() as ending:
            with self.setting_up():
                found = ending.enter_context(thing)
                end = ending.pop_all()
            try:
                yield found
            finally:
                with self.setting_up():
                    end.close()

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """What is done within is no measuring."""
        if self._setting_up:
            yield
            return
        self._setting_up, began = True, time.monotonic()
        try:
            yield
        finally:
            self._setting_up = False
            self.set_up_s += time.monotonic() - began
