"""Recipes and their immutable revisions."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deploy_tasks.names import name_validator


class Recipe(models.Model):
    """A named recipe. What it says is in its revisions; the newest one is used by new jobs."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[name_validator])

    class Meta:
        verbose_name, verbose_name_plural = _("recipe"), _("recipes")

    def __str__(self) -> str:
        return self.name

    def newest(self) -> "RecipeRevision":
        return self.revisions.latest("number")


class RecipeRevision(models.Model):
    """One text of a recipe, never changed: a job is frozen to it.

    ``text`` is the YAML as it was imported; ``sha256`` is of that text, in hex.
    """

    recipe = models.ForeignKey(Recipe, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["recipe", "number"], name="one_revision_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.recipe} r{self.number}"
