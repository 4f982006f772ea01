"""Hosts, one by one and many at a time: labels, connection tests, host keys."""

import hashlib
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deploy_tasks import hosts as host_orders
from deploy_tasks.errors import InvalidInput, InvalidInputs, OrderRefused
from deploy_tasks.models import Host, HostKey, HostRun, Machine
from webapp.admin.entries import EntryAdmin, refuse
from webapp.admin.host_forms import HostForm, KeyFilter, LabelFilter, LabelsForm
from webapp.admin.site import Admin, site

#: An offered key, and the fingerprint of the pinned one of its type, if there is one.
Offer = tuple[HostKey, str | None]


@admin.register(Host, site=site)
class HostAdmin(EntryAdmin):
    form = HostForm
    list_display = ("name", "game", "place", "credential", "labelled", "key_state", "connection")
    list_filter = (
        ("game", admin.RelatedOnlyFieldListFilter),
        KeyFilter,
        LabelFilter,
        ("machine", admin.RelatedOnlyFieldListFilter),
        ("credential", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("game", "credential", "last_check")
    search_fields = ("name", "address", "machine__name")
    ordering = ("name",)
    actions = ("test_connections", "approve_keys", "edit_labels")
    fields = (
        *("name", "game", "address", "port", "user", "credential", "via", "machine"),
        *("labels", "vars"),
    )

    class Media:
        js = (Script("js/live.js", type="module"),)

    def get_queryset(self, request: HttpRequest) -> Any:
        keys = HostKey.objects.filter(host=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                has_pinned=Exists(keys.filter(approved_at__isnull=False)),
                has_offered=Exists(keys.filter(approved_at__isnull=True)),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def view_on_site(self, obj: Host) -> str:
        return reverse("host", args=[obj.name])

    # ---- columns

    @admin.display(description=gettext_lazy("Address"), ordering="address")
    def place(self, host: Host) -> str:
        return f"{host.user}@{host.address}:{host.port}"

    @admin.display(description=gettext_lazy("Labels"))
    def labelled(self, host: Host) -> str:
        return " ".join(f"{label}={value}" for label, value in host.labels.items())

    @admin.display(description=gettext_lazy("Host key"))
    def key_state(self, host: Any) -> SafeString | str:
        if host.has_offered:
            said = _("one waits for approval") if not host.has_pinned else _("another was offered")
            return format_html('<span class="attention">{}</span>', said)
        return _("approved") if host.has_pinned else _("none known")

    @admin.display(description=gettext_lazy("Connection"))
    def connection(self, host: Host) -> str:
        return render_to_string("_connection.html", {"host": host})

    # ---- many at a time

    @admin.action(description=gettext_lazy("Test the connection"))
    def test_connections(self, request: HttpRequest, queryset: QuerySet[Host]) -> None:
        asked = host_orders.test(queryset)
        said = ngettext(
            "A worker looks at %(n)s host; what it finds shows below.",
            "Workers look at %(n)s hosts; what they find shows below.",
            asked,
        )
        self.message_user(request, said % {"n": asked})

    @admin.action(description=gettext_lazy("Edit labels…"))
    def edit_labels(self, request: HttpRequest, queryset: QuerySet[Host]) -> HttpResponse | None:
        form = LabelsForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            try:
                changed = host_orders.edit_labels(queryset, **form.cleaned_data, by=_user(request))
            except InvalidInputs as wrong:
                refuse(form, wrong.findings)
            else:
                said = ngettext("%(n)s host was changed.", "%(n)s hosts were changed.", changed)
                self.message_user(request, said % {"n": changed})
                return None
        context = {"title": _("Edit labels"), "form": form, "hosts": queryset}
        return self._confirm(request, "edit_labels", context)

    @admin.action(description=gettext_lazy("Approve offered host keys…"))
    def approve_keys(self, request: HttpRequest, queryset: QuerySet[Host]) -> HttpResponse | None:
        """What is approved is what was shown: a key that came in between is shown first."""
        offers = _offers(queryset)
        seen = _digest(offers)
        if offers and request.POST.get("confirmed") == seen:
            self._approve(request, offers, replace="replace" in request.POST)
            return None
        if "confirmed" in request.POST:
            self.message_user(request, _("Other keys were offered meanwhile."), messages.WARNING)
        context = {
            "title": _("Approve host keys"),
            "offers": offers,
            "replaces": any(pinned for _key, pinned in offers),
            "seen": seen,
        }
        return self._confirm(request, "approve_keys", context)

    def _approve(self, request: HttpRequest, offers: list[Offer], *, replace: bool) -> None:
        approved = 0
        for key, _pinned in offers:
            try:
                host_orders.approve_key(
                    key.host, fingerprint=key.fingerprint, by=_user(request), replace=replace
                )
            except (InvalidInput, OrderRefused) as refusal:
                self.message_user(request, refusal.message, messages.ERROR)
            else:
                approved += 1
        if approved:
            said = ngettext("%(n)s key was approved.", "%(n)s keys were approved.", approved)
            self.message_user(request, said % {"n": approved})

    def _confirm(
        self, request: HttpRequest, action: str, context: dict[str, Any]
    ) -> TemplateResponse:
        """A page between the choice of an action and what it does, about the same hosts."""
        own = {
            "action": action,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "opts": self.opts,
        }
        context = self.admin_site.each_context(request) | own | context
        return TemplateResponse(request, f"admin/{action}.html", context)

    # ---- removal

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Busy hosts stand in the way, and are named as what others hold on to is."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        busy = HostRun.objects.filter(host__in=[host.pk for host in objs], holds_host=True)
        told = [
            _("%(host)s is busy with job %(job)s") % {"host": run.name, "job": run.job}
            for run in busy.select_related("job")
        ]
        return deleted, counts, lacking, [*protected, *told]

    def delete_model(self, request: HttpRequest, obj: Host) -> None:
        host_orders.remove(obj, by=_user(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> None:
        for host in queryset:
            host_orders.remove(host, by=_user(request))

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Done by the removal."""


def _offers(hosts: QuerySet[Host]) -> list[Offer]:
    keys = HostKey.objects.filter(host__in=hosts.values("pk")).select_related("host")
    pinned: dict[tuple[int, str], str] = {}
    offered = []
    for key in keys.order_by("host__name", "pk"):
        if key.approved_at:
            pinned[key.host_id, host_orders.key_type(key.key)] = key.fingerprint
        else:
            offered.append(key)
    return [(key, pinned.get((key.host_id, host_orders.key_type(key.key)))) for key in offered]


def _digest(offers: list[Offer]) -> str:
    text = "\n".join(f"{key.host_id} {key.fingerprint} {pinned}" for key, pinned in offers)
    return hashlib.sha256(text.encode()).hexdigest()


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


@admin.register(Machine, site=site)
class MachineAdmin(Admin):
    list_display = ("name",)
    search_fields = ("name",)
