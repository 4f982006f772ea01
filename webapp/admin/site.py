"""The admin as a whole: who may enter, and what every screen in it has in common."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern, URLResolver
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import audit
from webapp import access
from webapp.admin import account
from webapp.views.login import log_out

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

#: The screens by what they are about, in the order of the first page.
SECTIONS = (
    (
        gettext_lazy("Inventory"),
        ("Host", "KeyRule", "Game", "Release", "Recipe", "Credential", "Machine"),
    ),
    (gettext_lazy("People"), ("User", "Group", "Grant", "ApiToken")),
)


class Site(admin.AdminSite):
    """Whoever maintains a game comes in; what they find here is what they may change."""

    site_header = site_title = "Patchwave"
    index_title = gettext_lazy("Administration")
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return access.maintains(request.user)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.user.is_authenticated:
            raise PermissionDenied(_("This takes a maintainer of a game."))
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """As everywhere."""
        return log_out(request)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return redirect("password")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from webapp.admin.imports import import_inventory
        from webapp.admin.listed_keys import approve_listed

        own = [
            path("import/", self.admin_view(import_inventory), name="import"),
            path("host-keys/", self.admin_view(approve_listed), name="host-keys"),
        ]
        return [*own, *super().get_urls()]

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """By what things are about, and not by which Django app they live in."""
        if app_label:
            return super().get_app_list(request, app_label)
        models = {
            model["object_name"]: model
            for app in self._build_app_dict(request).values()
            for model in app["models"]
        }
        found = [
            (name, [models[one] for one in names if one in models]) for name, names in SECTIONS
        ]
        return [
            {"name": name, "app_label": "", "app_url": "", "models": there}
            for name, there in found
            if there
        ]


site = Site()


@contextmanager
def as_one(request: HttpRequest) -> Iterator[None]:
    """What is done in this block stands together with its entries in the audit, or not at all."""
    if request.method != "POST":
        yield
        return
    with transaction.atomic():
        yield


class Admin(ModelAdmin):
    """A screen. It shows the rows that its reader may change, as `access` says."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        return found.filter(pk__in=access.changeable(request.user, self.model).values("pk"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_change_some(request.user, self.model)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if obj is None:
            return access.may_change_some(request.user, self.model)
        return access.may_change(request.user, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_add(request.user, self.model)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return access.may_remove(request.user, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """What can be chosen is what its reader may name."""
        model = db_field.remote_field.model
        kwargs.setdefault("queryset", access.choices(request.user, model))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        model = db_field.remote_field.model
        kwargs.setdefault("queryset", access.choices(request.user, model))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        with as_one(request):
            return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Beside a choice, what is missing can be added; the rest is on screens of their own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(wrapper := field.widget, RelatedFieldWidgetWrapper):
            wrapper.can_change_related = wrapper.can_delete_related = False
            wrapper.can_view_related = False
        return field

    # One record of who did what: the audit. Django's own log is not kept beside it.

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self.record(request, "add", obj, after=account.after(message))

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        before, after = account.before(message), account.after(message)
        what = account.in_words(message)
        self.record(request, "change", obj, what=what, before=before, after=after)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        for obj in queryset:
            self.record(request, "remove", obj)

    def record(self, request: HttpRequest, verb: str, obj: Model, **details: Any) -> None:
        action = f"{verb}_{self.opts.model_name}"
        audit.record(cast(User, request.user), action, str(obj), **details)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        """Django's account, and what each field held and holds."""
        message = super().construct_change_message(request, form, formsets, add)
        return account.with_values(message, form, formsets or [])

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = get_object_or_404(self.get_queryset(request), pk=object_id)
        return redirect(f"{reverse('audit')}?{urlencode({'object': str(obj)})}")


class ReadOnly(Admin):
    """To look at, and to take away: what is written here comes about another way."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
