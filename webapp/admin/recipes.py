"""Recipes: a saved text is a new revision; jobs keep the one they began with."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import recipes, revisions
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.models import Recipe
from webapp.admin.site import Admin, site

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Recipe]
else:
    ModelForm = forms.ModelForm


class RecipeForm(ModelForm):
    """The recipe's name is in its text."""

    text = forms.CharField(
        label=gettext_lazy("Text"),
        strip=False,
        widget=forms.Textarea({"rows": 40, "class": "code", "spellcheck": "false", "wrap": "off"}),
        help_text=gettext_lazy("What is saved is a new revision; jobs that run keep theirs."),
    )

    class Meta:
        model = Recipe
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["text"] = self.instance.newest().text

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        try:
            name = recipes.parse(text, file="").name
        except InvalidInputs as wrong:
            lines = text.split("\n")
            raise ValidationError([_told(finding, lines) for finding in wrong.findings])
        self._refuse_name(name, text)
        return text

    def _refuse_name(self, name: str, text: str) -> None:
        shipped = revisions.shipped().get(name)
        if shipped and shipped.read_text() != text:
            raise ValidationError(
                _(
                    "“%(name)s” comes with Patchwave, and an import would bring its text back;"
                    " give yours a name of its own"
                ),
                params={"name": name},
            )
        if self.instance.pk and self.instance.name != name:
            raise ValidationError(
                _("This recipe is called “%(name)s”; add another name as a recipe of its own."),
                params={"name": self.instance.name},
            )
        if not self.instance.pk and Recipe.objects.filter(name=name).exists():
            raise ValidationError(
                _("There is a recipe “%(name)s”; change that one."), params={"name": name}
            )


@admin.register(Recipe, site=site)
class RecipeAdmin(Admin):
    form = RecipeForm
    list_display = ("name", "revision", "used_by")
    search_fields = ("name",)
    readonly_fields = ("earlier",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recipe]:
        found: QuerySet[Recipe] = super().get_queryset(request).prefetch_related("games")
        return found.annotate(newest_number=Max("revisions__number"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("text", "earlier") if obj else ("text",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Recipe, form: Any, change: bool) -> None:
        revision = revisions.store(form.cleaned_data["text"], file="")
        obj.pk, obj.name = revision.recipe_id, revision.recipe.name

    @admin.display(description=gettext_lazy("Revision"), ordering="newest_number")
    def revision(self, recipe: Any) -> str:
        return f"r{recipe.newest_number}"

    @admin.display(description=gettext_lazy("Games"))
    def used_by(self, recipe: Recipe) -> str:
        return ", ".join(sorted(game.name for game in recipe.games.all()))

    @admin.display(description=gettext_lazy("Revisions"))
    def earlier(self, recipe: Recipe) -> SafeString:
        rows = [
            (f"r{one.number}", date_format(one.created_at, "DATETIME_FORMAT"), one.text)
            for one in recipe.revisions.order_by("-number")
        ]
        return format_html_join(
            "", "<details><summary>{} {}</summary><pre>{}</pre></details>", rows
        )


def _told(finding: InvalidInput, lines: list[str]) -> str:
    """With the line itself: nobody counts to 87 in a text area."""
    named = f"{finding.field}: {finding.message}" if finding.field else finding.message
    if finding.line is None:
        return named
    line = lines[finding.line - 1].strip() if finding.line <= len(lines) else ""
    return _("line %(line)s, “%(text)s”: %(finding)s") % {
        "line": finding.line,
        "text": line[:80],
        "finding": named,
    }
