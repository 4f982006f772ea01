"""Rows for tests, made in one line each."""

import itertools
from typing import Any

from django.contrib.auth.models import User

from deploy_tasks.models import (
    Batch,
    Credential,
    Game,
    Host,
    HostKey,
    HostRun,
    Job,
    Recipe,
    RecipeRevision,
    Release,
)

RECIPE = """\
recipe: steps
summary: Two steps
current: cat version
steps:
  - name: stop
    run: echo stopping
  - name: start
    run: echo "$version" >version
"""

_numbers = itertools.count(1)


def user(name: str = "mira", **more: Any) -> User:
    return User.objects.create_user(name, password="correct horse", **more)  # type: ignore[no-any-return]


def game(name: str = "squid", text: str = RECIPE) -> Game:
    recipe = Recipe.objects.create(name=f"{name}-recipe")
    RecipeRevision.objects.create(recipe=recipe, number=1, text=text, sha256=f"{name:0>64}")
    return Game.objects.create(name=name, recipe=recipe)


def release(of: Game, version: str = "2.0", **more: Any) -> Release:
    return Release.objects.create(game=of, version=version, **more)


def host(of: Game, name: str | None = None, *, pinned: bool = True, **more: Any) -> Host:
    credential, _ = Credential.objects.get_or_create(
        name="fleet", kind="ssh_key", defaults={"sealed": b"", "key_id": "none", "digest": ""}
    )
    credential.games.add(of)
    number = next(_numbers)
    given = {"address": f"127.9.0.{number % 250 + 1}", "user": "game", "credential": credential}
    made = Host.objects.create(name=name or f"h-{number}", game=of, **(given | more))
    if pinned:
        HostKey.objects.create(
            host=made,
            key="ssh-ed25519 AAAA",
            fingerprint="SHA256:x",
            approved_at="2026-01-01T00:00Z",
        )
    return made


def batch(of: Job, n: int, **more: Any) -> Batch:
    return Batch.objects.create(job=of, n=n, **more)


def job(of: Game, hosts: int = 0, **more: Any) -> Job:
    """A job with its release and as many waiting host runs, in one batch."""
    made = Job.objects.create(
        game=of,
        release=of.releases.first() or release(of),
        revision=of.recipe.newest(),
        by_name="mira",
        **more,
    )
    Batch.objects.create(job=made, n=1)
    for position in range(hosts):
        HostRun.objects.create(job=made, host=(one := host(of)), name=one.name, position=position)
    return made
