"""Users, their roles, and the tokens of their programs."""

from typing import TYPE_CHECKING, Any, cast

from axes.utils import reset as let_try_again
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deploy_tasks.models import Game
from webapp import access
from webapp.access import Right
from webapp.admin.site import Admin, ReadOnly, as_one, site
from webapp.models import ApiToken, Grant

if settings.IDENTITY:
    from webapp.identity import factors

if TYPE_CHECKING:
    Inline = admin.TabularInline[Grant, Any]
    Formset = forms.BaseInlineFormSet[Grant, Any, Any]
    UserScreen = StockUserAdmin[User]
else:
    Inline = admin.TabularInline
    Formset = forms.BaseInlineFormSet
    UserScreen = StockUserAdmin


class GrantFormset(Formset):
    def clean(self) -> None:
        """One role a game; the database says so too, but not in words."""
        super().clean()
        games = [
            form.cleaned_data.get("game")
            for form in self.forms
            if form.cleaned_data.get("role") and not form.cleaned_data.get("DELETE")
        ]
        if len(games) > len(set(games)):
            raise ValidationError(_("Give one role for a game, and one for all games."))


class Grants(Inline):
    """Beside a user or a group, so for those who may change these: administrators of all games."""

    model = Grant
    formset = GrantFormset
    fields = ("game", "role")
    extra = 0
    verbose_name_plural = gettext_lazy("Roles: without one, nothing is visible")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may(request.user, Right.ADMINISTER, None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "game":
            cast("forms.ModelChoiceField[Game]", field).empty_label = _("all games")
            field.widget = field.widget.widget  # games are added elsewhere
        return field


@admin.register(User, site=site)
class UserAdmin(Admin, UserScreen):
    inlines = (Grants,)
    list_display = ("username", "roles", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser", "grants__role", "grants__game")
    filter_horizontal = ()
    actions = ("unlock", "reset_factor") if settings.IDENTITY else ("unlock",)
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        (None, {"fields": ("is_active", "is_superuser", "groups")}),
        (None, {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return cast(QuerySet[User], super().get_queryset(request)).prefetch_related("grants__game")

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(
            db_field, request, widget=forms.CheckboxSelectMultiple, **kwargs
        )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if field := form.base_fields.get("is_superuser"):
            field.label = _("Administrator everywhere")
            field.help_text = _("Of all games there are and will be, and of this administration.")
        if field := form.base_fields.get("is_active"):
            field.help_text = _("Whoever is not can not log in; better than to remove somebody.")
        return form

    @admin.action(description=gettext_lazy("Take away the second factor (a telephone is lost)"))
    def reset_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        count = sum(factors.remove(user, by=cast(User, request.user)) for user in queryset)
        self.message_user(
            request,
            ngettext(
                "%(n)s user is logged out, and logs in without it.",
                "%(n)s users are logged out, and log in without it.",
                count,
            )
            % {"n": count},
        )

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        with as_one(request):
            return super().user_change_password(request, id, form_url)

    @admin.display(description=gettext_lazy("Roles"))
    def roles(self, user: User) -> str:
        if user.is_superuser:
            return _("administrator everywhere")
        grants = sorted(user.grants.all(), key=lambda grant: str(grant.game or ""))
        return ", ".join(
            f"{grant.get_role_display()}: {grant.game or _('all games')}" for grant in grants
        )

    @admin.action(description=gettext_lazy("Let them log in again after too many wrong passwords"))
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            let_try_again(username=user.get_username())
            self.record(request, "unlock", user)
        count = len(queryset)
        self.message_user(
            request,
            ngettext("%(n)s user may try again.", "%(n)s users may try again.", count)
            % {"n": count},
        )


@admin.register(Group, site=site)
class GroupAdmin(Admin):
    """A role of a group is the role of everybody in it."""

    inlines = (Grants,)
    fields = ("name",)
    list_display = ("name", "members")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return cast(QuerySet[Group], super().get_queryset(request)).prefetch_related("user_set")

    @admin.display(description=gettext_lazy("Users"))
    def members(self, group: Group) -> str:
        return ", ".join(sorted(user.get_username() for user in group.user_set.all()))


@admin.register(ApiToken, site=site)
class ApiTokenAdmin(ReadOnly):
    """Made by the command or on a person's own page, shown once; here they can be taken away."""

    list_display = ("user", "name", "scope", "game", "expires_at", "created_at", "last_used_at")
    list_filter = ("user", "scope", "game")
    list_select_related = ("user", "game")
    fields = ("user", "name", "scope", "game", "expires_at", "created_at", "last_used_at")
