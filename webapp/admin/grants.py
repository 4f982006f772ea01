"""Roles of one's own game: who may do what there, given by its administrators."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webapp import access
from webapp.access import Right
from webapp.admin.site import Admin, site
from webapp.models import Grant

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Grant]
else:
    ModelForm = forms.ModelForm


class GrantForm(ModelForm):
    class Meta:
        model = Grant
        fields = ("user", "group", "game", "role")

    def clean(self) -> dict[str, Any]:
        """The database says so too, but not in words."""
        given = super().clean() or self.cleaned_data
        user, group, game = (given.get(name) for name in ("user", "group", "game"))
        if not self.errors:
            if bool(user) == bool(group):
                raise ValidationError(_("Give the role to a user or to a group."))
            there = Grant.objects.filter(user=user, group=group, game=game)
            if there.exclude(pk=self.instance.pk).exists():
                raise ValidationError(_("There is a role for them in this game; change that one."))
        return given


@admin.register(Grant, site=site)
class GrantAdmin(Admin):
    form = GrantForm
    list_display = ("holder", "game_named", "role")
    list_filter = ("role", ("game", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "group", "game")
    search_fields = ("user__username", "group__name")
    ordering = ("game__name", "user__username", "group__name")

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "game":
            everywhere = access.may(request.user, Right.ADMINISTER, None)
            kwargs["queryset"] = access.games(request.user, Right.ADMINISTER).order_by("name")
            kwargs["required"] = not everywhere
            kwargs["empty_label"] = _("all games") if everywhere else "---------"
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("Who"), ordering="user__username")
    def holder(self, grant: Grant) -> str:
        return str(grant.user or _("group %(name)s") % {"name": grant.group})

    @admin.display(description=gettext_lazy("Game"), ordering="game__name")
    def game_named(self, grant: Grant) -> str:
        return str(grant.game or _("all games"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Another holder or game is another role.
        return ("user", "group", "game") if obj else ()
