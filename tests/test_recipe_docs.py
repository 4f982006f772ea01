"""docs/RECIPES.md and the schema beside it say all that the format can."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from pydantic import BaseModel

from deploy_tasks import recipes, revisions
from deploy_tasks.recipes.schema import VAR_TYPES
from deploy_tasks.recipes.values import RESERVED

DOCS: Path = settings.BASE_DIR / "docs"
PAGE = (DOCS / "RECIPES.md").read_text()

HEADINGS: dict[type[BaseModel], str] = {
    recipes.Recipe: "## The recipe",
    recipes.Query: "### `query`",
    recipes.Step: "## A step",
    recipes.Wait: "### `wait`",
    recipes.Retries: "### `retries`",
    recipes.Var: "## Vars",
}
KEYS = [
    (heading, field.alias or name)
    for model, heading in HEADINGS.items()
    for name, field in model.model_fields.items()
]


def part(heading: str) -> str:
    """The page below this heading, up to the next one."""
    return re.split(r"^##", PAGE.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]


@pytest.mark.parametrize(("heading", "key"), KEYS)
def test_every_key_is_explained_with_an_example(heading: str, key: str) -> None:
    assert re.search(rf"^\| `{key}` \| .+ \| `.*{key}.*` \|$", part(heading), re.M)


@pytest.mark.parametrize("type", VAR_TYPES)
def test_every_type_of_a_var_is_explained(type: str) -> None:
    assert f"\n| `{type}` | " in part("## Vars")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_every_given_variable_is_explained(name: str) -> None:
    assert f"\n| `${name}` | " in part("## How scripts run")


@pytest.mark.parametrize("name", sorted(revisions.shipped()))
def test_every_shipped_recipe_is_named(name: str) -> None:
    assert f"**`{name}`**" in PAGE


def test_the_example_is_a_recipe() -> None:
    example = re.findall(r"^```yaml\n(recipe: .*?)^```", PAGE, re.M | re.S)[0]
    assert recipes.parse(example, file="RECIPES.md").name == "jar"


def test_the_schema_for_editors_is_that_of_the_models() -> None:
    kept = json.loads((DOCS / "recipe.schema.json").read_text())
    assert kept == recipes.json_schema(), "write json_schema() to docs/recipe.schema.json again"
