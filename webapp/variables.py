"""What the scripts of a host run are given, and where each value comes from."""

from collections.abc import Mapping
from typing import Any

from deploy_tasks import commands, recipes, revisions
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import HostRun, Release
from webapp.shapes import VariableList, VariableReport

#: What overrides what, last first.
SOURCES = ("job", "host", "game", "recipe")


def variables(run: HostRun) -> VariableList:
    """Those of the recipe in its order, then those that every script is given."""
    recipe = revisions.recipe_of(run.job.revision)
    begun = run.target or (run.undoes and run.undoes.target)
    given = _given(run, recipe)
    told = [_of_recipe(recipe, name, given, begun or None) for name in recipe.vars]
    release = run.job.release
    fixed = {
        "version": release.version,
        "previous": run.previous,
        "artifact": _place(release),
        "sha256": release.sha256,
        "host": run.name,
        "job": str(run.job_id),
    }
    told += [
        {"name": name, "value": value, "secret": False, "source": "given"}
        for name, value in fixed.items()
    ]
    return {"fixed": begun is not None, "variables": told}


def _place(release: Release) -> str:
    """Where an upload lies, as the shell of every host reads it; empty without artifact."""
    artifact = commands.Artifact(release.sha256, release.size)
    return f"$HOME/{artifact.path}" if artifact.sha256 else ""


def _given(run: HostRun, recipe: recipes.Recipe) -> dict[str, Mapping[str, Any]]:
    defaults = {name: var.default for name, var in recipe.vars.items() if var.default is not None}
    return {
        "job": run.job.vars,
        "host": run.host.vars if run.host else {},
        "game": run.job.game.vars,
        "recipe": defaults,
    }


def _of_recipe(
    recipe: recipes.Recipe,
    name: str,
    given: Mapping[str, Mapping[str, Any]],
    begun: Mapping[str, Any] | None,
) -> VariableReport:
    source = next((one for one in SOURCES if name in given[one]), "recipe")
    if recipe.vars[name].type == "secret":
        return {"name": name, "value": None, "secret": True, "source": source}
    now = _text(recipe.vars[name], given[source].get(name))
    value = now if begun is None else str(begun["vars"].get(name, ""))
    return {
        "name": name,
        "value": value,
        "secret": False,
        "source": source if value == now else "earlier",
    }


def _text(var: recipes.Var, given: Any) -> str:
    """As the shell will have it; what does not fit is told as it was written."""
    if given is None:
        return ""
    try:
        return recipes.to_text(var, given)
    except InvalidInput:
        return str(given)
