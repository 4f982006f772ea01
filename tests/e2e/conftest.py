"""One product for all, and for each test a fleet that nothing has been done to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from demo import openssh
from demo.fleet import Fleet
from tests.e2e.nginx import NGINX
from tests.e2e.site import Site, standing
from tests.e2e.world import RECIPE, Product, World


@pytest.fixture(scope="session", autouse=True)
def patient_pages() -> None:
    expect.set_options(timeout=60_000)  # milliseconds; other tests run beside these


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    if not openssh.usable():
        pytest.skip("sshd is not installed (Debian package openssh-server)")
    with Product(tmp_path_factory.mktemp("product") / "home") as product:
        yield product


@pytest.fixture
def make_world(product: Product, tmp_path: Path) -> Iterator[Callable[..., World]]:
    with ExitStack() as fleets:

        def make(game: str, recipe: Path | str = RECIPE) -> World:
            fleet = fleets.enter_context(Fleet(tmp_path / game, 5, name=game))
            return World(product, fleet, game=game, recipe=recipe)

        yield make


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Behind nginx."""
    if not NGINX:
        pytest.skip("nginx is not installed (Debian package nginx-light)")
    with standing(tmp_path_factory.mktemp("nginx")) as site:
        yield site
