"""The kept texts of recipes: where the plain values of deploy_tasks.recipes meet the rows."""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction

from deploy_tasks import recipes
from deploy_tasks.models import Recipe, RecipeRevision


def store(text: str, *, file: str) -> RecipeRevision:
    """The newest revision of the recipe that ``text`` is: a new one, unless it says the same.

    Raises InvalidInputs, with ``file`` and lines, for a text that is no recipe.
    """
    name = recipes.parse(text, file=file).name
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    with transaction.atomic():
        Recipe.objects.get_or_create(name=name)
        # One at a time for a recipe, so that numbers have no gap and no twin.
        recipe = Recipe.objects.select_for_update().get(name=name)
        newest = recipe.revisions.order_by("-number").first()
        if newest is not None and newest.sha256 == sha256:
            return newest
        number = newest.number + 1 if newest else 1
        return recipe.revisions.create(number=number, text=text, sha256=sha256)


def recipe_of(revision: RecipeRevision) -> recipes.Recipe:
    """What a revision says. It never changes, so it is read once in a process."""
    return _recipe(revision.text)


def step_names(revision: RecipeRevision) -> tuple[str, ...]:
    return tuple(step.name for step in recipe_of(revision).steps)


@lru_cache(maxsize=128)
def _recipe(text: str) -> recipes.Recipe:
    return recipes.parse(text, file="")


def shipped() -> dict[str, Path]:
    """The recipes that come with Patchwave: name -> file."""
    return {path.stem: path for path in (settings.BASE_DIR / "recipes").glob("*.yml")}
