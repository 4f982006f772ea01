"""Games and their releases."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from deploy_tasks.models import Game, Release
from webapp import access
from webapp.admin.entries import EntryAdmin, EntryForm
from webapp.admin.site import ReadOnly, site


class GameForm(EntryForm):
    section = "games"

    recipe_name = forms.ChoiceField(
        label=_("Recipe"), help_text=_("Those that come with Patchwave, and your own.")
    )

    class Meta:
        model = Game
        fields = ("name", "vars", "rollouts")
        labels = {"name": _("Name"), "vars": _("Variables"), "rollouts": _("Rollouts")}
        help_texts = {
            "vars": _("JSON. They override the recipe's defaults, a host's override them."),
            "rollouts": _("JSON. Presets by name; see docs/ROLLOUTS.md for what they may say."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = access.recipes_to_choose(self.by)
        if self.instance.pk:
            names.add(self.instance.recipe.name)
        recipe = cast(forms.ChoiceField, self.fields["recipe_name"])
        recipe.choices = [(name, name) for name in sorted(names)]
        if self.instance.pk:
            self.initial["recipe_name"] = self.instance.recipe.name

    def entry(self) -> dict[str, Any]:
        given = self.cleaned_data
        name = self.instance.name if self.instance.pk else given["name"]
        return {
            "name": name,
            "recipe": given["recipe_name"],
            "vars": given["vars"] or {},
            "rollouts": given["rollouts"] or {},
        }


@admin.register(Game, site=site)
class GameAdmin(EntryAdmin):
    form = GameForm
    fields = ("name", "recipe_name", "vars", "rollouts")
    list_display = ("name", "recipe", "hosts_counted", "releases_counted")
    list_filter = (("recipe", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Game]:
        counted = {
            "host_count": Count("hosts", distinct=True),
            "release_count": Count("releases", distinct=True),
        }
        found: QuerySet[Game] = super().get_queryset(request).select_related("recipe")
        return found.annotate(**counted)

    def get_readonly_fields(self, request: HttpRequest, obj: Game | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    @admin.display(description=_("Hosts"), ordering="host_count")
    def hosts_counted(self, game: Any) -> int:
        return int(game.host_count)

    @admin.display(description=_("Releases"), ordering="release_count")
    def releases_counted(self, game: Any) -> int:
        return int(game.release_count)


@admin.register(Release, site=site)
class ReleaseAdmin(ReadOnly):
    """Immutable. One that no job has used can be taken away, to be added again as it should be."""

    list_display = ("version", "game", "filename", "size_in_words", "sha256", "created_at")
    list_filter = (("game", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("version", "filename", "sha256")
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_add(request.user, Release)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Where an upload shows how far it is."""
        return redirect("games")

    fields = ("game", "version", "filename", "size_in_words", "sha256", "created_at")
    readonly_fields = ("size_in_words",)

    @admin.display(description=_("Size"), ordering="size")
    def size_in_words(self, release: Release) -> str:
        return filesizeformat(release.size)
