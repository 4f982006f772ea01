"""A cause that no line names as trouble, with real hosts: only those that are well tell of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy_tasks.revisions import shipped
from tests.e2e.world import Product, World, root_of

pytestmark = pytest.mark.e2e

#: As people write it, who never saw a directory in the place of the link.
NAIVE = 'ln -sfnv "releases/$version" "$root/current"'
CAREFUL = """\
      ln -sfn "releases/$version" "$root/current.new"
      mv -T "$root/current.new" "$root/current"
    undo"""


def test_a_directory_in_the_place_of_a_link_is_told_by_hosts_that_are_well(
    product: Product, make_world: Callable[..., World], tmp_path: Path
) -> None:
    text = shipped()["symlink-release"].read_text()
    assert CAREFUL in text
    (recipe := tmp_path / "naive.yml").write_text(
        text.replace(CAREFUL, f"      {NAIVE}\n    undo").replace("symlink-release", "naive")
    )
    world = make_world("naive", recipe=recipe)
    odd = world.hosts[1:3]
    for host in odd:
        link = root_of(host) / "current"
        real = link.resolve()
        link.unlink()
        shutil.copytree(real, link)

    job = product.post("/jobs", {"game": "naive", "version": "1.1", "all": True})["id"]
    with product.follow(job) as story:
        assert story.to_the_end() == "failed"
    (cause,) = product.get(f"/jobs/{job}/failures")["causes"]
    assert (cause["step"], [host["name"] for host in cause["hosts"]]) == (
        "verify",
        [host.name for host in odd],
    )
    (told,) = cause["differs"]
    assert (told["step"], told["hosts"], told["of"]) == ("switch", 2, 2)
    assert [line.partition("game/")[2] for line in told["printed"]] == [
        "current/1.1' -> 'releases/1.1'"
    ]
    (missing,) = told["lacks"]
    assert missing.endswith("current' -> 'releases/1.1'")
