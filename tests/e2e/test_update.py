"""The main job, end to end: start, follow, see a host fail, retry it, see all succeed."""

import json
import os
import signal
from collections.abc import Callable

import pytest
import redis

from tests.e2e.world import MARKS, Product, World, marks_of, root_of
from tests.instances import Instance
from tests.waiting import until

pytestmark = pytest.mark.e2e

MakeWorld = Callable[..., World]


def test_a_fleet_is_updated_and_the_host_that_failed_is_retried(
    product: Product, make_world: MakeWorld
) -> None:
    """By a program, with the shipped recipe. One host lacks its ctl at first."""
    world = make_world("paper", recipe="symlink-release")
    broken = world.hosts[2]
    ctl, away = root_of(broken) / "ctl", root_of(broken) / "ctl.away"
    ctl.rename(away)
    assert world.versions() == world.all_at("1.0")

    job = product.post("/jobs", {"game": "paper", "version": "1.1", "all": True})["id"]
    with product.follow(job) as story:
        line = story.until(lambda item: item["k"] == "output" and item["step"] == "health")
        assert ("health", "succeeded") not in story.ends_of(line["h"])
        assert story.to_the_end() == "failed"
        assert "there is no" in story.output(broken.name, "space")
        assert story.ends_of(broken.name) == [("space", "failed")]
    counts = product.get(f"/jobs/{job}")["counts"]
    assert (counts["succeeded"], counts["failed"]) == (4, 1)
    assert world.versions() == world.all_at("1.1") | {broken.name: "1.0"}

    away.rename(ctl)
    before = product.get(f"/jobs/{job}")["last_seq"]
    product.post(f"/jobs/{job}/retry")
    with product.follow(job, after=before) as story:
        assert story.to_the_end() == "succeeded"
        assert story.ends_of(broken.name)[0] == ("space", "succeeded")
        assert {item["h"] for item in story.items if item["k"] == "step"} == {broken.name}
    assert world.versions() == world.all_at("1.1")


def test_a_worker_killed_in_mid_step_runs_nothing_twice(
    product: Product, make_world: MakeWorld
) -> None:
    """Started and judged at the command line. The step goes on while nobody looks."""
    world = make_world("squid")
    names = [host.name for host in world.hosts]
    for host in world.hosts:
        (root_of(host) / "hold").touch()

    job = json.loads(product.cli("start", "squid", "1.1", "--all", "--json"))["id"]
    with product.follow(job) as story:
        while not all(story.output(name) for name in names):
            story.until(lambda item: item["k"] == "output")
        killed = product.instance.owner("worker")
        os.kill(product.instance.pid("worker"), signal.SIGKILL)
        until(lambda: product.instance.owner("worker") != killed, "a new worker is there")
        before = {name: story.output(name) for name in names}
        while any(story.output(name) == before[name] for name in names):
            story.until(lambda item: item["k"] == "output")
        for host in world.hosts:
            assert story.ends_of(host.name) == []
            (root_of(host) / "hold").unlink()
        assert story.to_the_end() == "succeeded"

    product.cli("watch", str(job))
    for host in world.hosts:
        assert marks_of(host) == MARKS
        lines = story.output(host.name, "warm").splitlines()
        assert lines == [f"line {n} of {host.name}" for n in range(1, len(lines) + 1)]
        assert product.log(job, host.name).startswith("\n".join(lines))
    assert world.versions() == world.all_at("1.1")


def test_a_broker_that_forgets_everything_costs_nothing_but_time(
    product: Product, make_world: MakeWorld
) -> None:
    """R08: emptied while a canary runs, and again in a batch; then it dies, and starts empty."""
    world = make_world("crab")
    names = [host.name for host in world.hosts]
    for host in world.hosts:
        (root_of(host) / "hold").touch()
    rollout = {"canary": 1, "batches": ["60%", "100%"]}
    order = {"game": "crab", "version": "1.1", "all": True, "rollout": rollout}
    job = product.post("/jobs", order)["id"]
    with product.follow(job) as story:
        for batch, forget in (
            (names[:1], empty),
            (names[1:3], empty),
            (names[3:], kill_valkey),
        ):
            while not all(story.output(name) for name in batch):
                story.until(lambda item: item["k"] == "output")
            forget(product.instance)
            for name in batch:
                (root_of(world.hosts[names.index(name)]) / "hold").unlink()
        assert story.to_the_end() == "succeeded"
    for host in world.hosts:
        assert marks_of(host) == MARKS
        assert story.ends_of(host.name)[-1] == ("health", "succeeded")
    assert world.versions() == world.all_at("1.1")


def empty(instance: Instance) -> None:
    with redis.Redis(unix_socket_path=str(instance.run_dir / "valkey.sock")) as valkey:
        valkey.flushall()


def kill_valkey(instance: Instance) -> None:
    killed = instance.owner("valkey")
    os.kill(instance.pid("valkey"), signal.SIGKILL)
    until(lambda: instance.owner("valkey") != killed, "a new one is there")
