"""Recipes as plain values: what a recipe file says, and the values its scripts are given.

Nothing in here touches the database; deploy_tasks.revisions keeps the texts.
"""

from deploy_tasks.recipes.parsing import MAX_BYTES, parse
from deploy_tasks.recipes.schema import (
    OpenGsq,
    Query,
    Recipe,
    Retries,
    Step,
    Var,
    Wait,
    json_schema,
)
from deploy_tasks.recipes.values import Values, missing, resolve, to_text, unfit

__all__ = [
    "MAX_BYTES",
    "OpenGsq",
    "Query",
    "Recipe",
    "Retries",
    "Step",
    "Values",
    "Var",
    "Wait",
    "json_schema",
    "missing",
    "parse",
    "resolve",
    "to_text",
    "unfit",
]
