"""From the text of a recipe to a Recipe, or to every reason why it is none."""

import re
from collections import Counter
from collections.abc import Iterator

from django.utils.translation import gettext as _
from pydantic import ValidationError

from deploy_tasks import yamlfile
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.findings import findings
from deploy_tasks.recipes.schema import WAYS, Recipe, Var
from deploy_tasks.recipes.values import RESERVED, to_text
from deploy_tasks.yamlfile import Document, Place

MAX_BYTES = 256 * 1024

VAR_NAME = r"[a-z][a-z0-9_]*"


def parse(text: str, *, file: str) -> Recipe:
    """Raises InvalidInputs: each finding with the line in ``file``, the field and a remedy."""
    document = yamlfile.load(text, file=file, limit=MAX_BYTES)
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        raise InvalidInputs(findings(error, document, model=Recipe))
    misfits = [document.invalid(place, message) for place, message in _misfits(recipe, document)]
    if misfits:
        raise InvalidInputs(misfits)
    return recipe


Misfit = tuple[Place, str]


def _misfits(recipe: Recipe, document: Document) -> Iterator[Misfit]:
    if not recipe.steps:
        yield ("steps",), _("a recipe has at least one step")
    yield from _step_names(recipe)
    for name, var in recipe.vars.items():
        yield from _var_name(name)
        for place, message in _var(var, document.text(("vars", name, "default"))):
            yield ("vars", name, *place), message
    if recipe.lock is not None and recipe.lock not in recipe.vars:
        yield (
            ("lock",),
            _("there is no var “%(name)s”; lock names one of vars") % {"name": recipe.lock},
        )
    if recipe.query and recipe.query.port not in (None, *recipe.vars):
        way = next(way for way in WAYS if getattr(recipe.query, way) is not None)
        yield (
            ("query", way, "port") if recipe.query.opengsq else ("query", way),
            _("there is no var “%(name)s” with the port") % {"name": recipe.query.port},
        )
    for n, command in enumerate(recipe.sudo):
        if "\n" in command.strip() or command.split()[0] == "sudo":
            yield ("sudo", n), _("write one command, without the word sudo")


def _step_names(recipe: Recipe) -> Iterator[Misfit]:
    times = Counter(step.name for step in recipe.steps)
    seen = set()
    for n, step in enumerate(recipe.steps):
        if times[step.name] > 1 and step.name in seen:
            yield (
                ("steps", n, "name"),
                _("an earlier step is named “%(name)s” as well") % {"name": step.name},
            )
        seen.add(step.name)


def _var_name(name: str) -> Iterator[Misfit]:
    if name in RESERVED:
        yield (
            ("vars", name),
            _("every script is given $%(name)s already; choose another name") % {"name": name},
        )
    elif re.fullmatch(VAR_NAME, name) is None:
        yield (
            ("vars", name),
            _(
                "the name of a var has a-z 0-9 _ and begins with a letter;"
                " it becomes a shell variable"
            ),
        )


def _var(var: Var, written: str | None) -> Iterator[Misfit]:
    if (var.type == "choice") != bool(var.choices):
        yield ("choices",), _("a var of type choice, and only that, has choices: [a, b]")
        return
    if var.default is None:
        return
    if var.required:
        yield ("default",), _("a required var has no use for a default; leave one of them out")
    try:
        to_text(var, var.default, written=written)
    except InvalidInput as finding:
        yield ("default",), finding.message
