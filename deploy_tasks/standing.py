"""Which steps of a host run have left something behind that is not taken back. Pure.

Also what speaks against taking them back, before anything is tried.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

from django.utils.translation import gettext as _

from deploy_tasks.recipes import Recipe
from deploy_tasks.states import AttemptKind, AttemptState

NEVER_BEGUN = (AttemptState.NEW, AttemptState.ABANDONED)


class Tried(Protocol):
    """An attempt, as far as it matters here."""

    step: int
    kind: str
    state: str
    started_at: datetime | None


def has_begun(attempt: Tried) -> bool:
    """Whether anything of it may have run on the host."""
    return attempt.state not in NEVER_BEGUN and not was_refused(attempt)


def was_refused(attempt: Tried) -> bool:
    """Its artifact could not be brought: for that reason its whole plan did not begin."""
    return attempt.state == AttemptState.FAILED and attempt.started_at is None


def standing(attempts: Iterable[Tried]) -> list[int]:
    """Steps that were launched, not skipped, and not undone since; last first."""
    found: set[int] = set()
    for one in attempts:
        if one.kind == AttemptKind.UNDO:
            if one.state == AttemptState.SUCCEEDED:
                found.discard(one.step)
        elif has_begun(one) and one.state != AttemptState.SKIPPED:
            found.add(one.step)
    return sorted(found, reverse=True)


def is_felt(attempts: Iterable[Tried], felt: Collection[int]) -> bool:
    """Whether one of the steps ``felt`` has begun and was not taken back since. What comes after a
    step is taken back with it, also where its recipe has nothing to do for that."""
    found: set[int] = set()
    for one in attempts:
        if one.kind == AttemptKind.UNDO and one.state == AttemptState.SUCCEEDED:
            found = {n for n in found if n < one.step}
        elif one.step in felt and has_begun(one):
            found.add(one.step)
    return bool(found)


def irreversible(recipe: Recipe, steps: Iterable[int], *, previous: str) -> str:
    """Why these steps cannot be taken back; empty where they can.

    A step without ``undo`` stays done. That is no harm to what only looked or prepared; of one
    that players feel, or that must never be repeated, it is.
    """
    for n in steps:
        step = recipe.steps[n]
        if step.undo is None and (step.disruptive or step.repeat == "never"):
            return _("step “%s” cannot be undone: the recipe does not say how") % step.name
        if without_previous(step.undo, previous):
            return _("step “%s” cannot be undone: no version was on the host before") % step.name
    return ""


def without_previous(undo: str | None, previous: str) -> bool:
    return "previous" in (undo or "") and not previous
