"""What the screens of hosts ask for: the fields of a host, labels for many, filters of the list."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import hosts as host_orders
from deploy_tasks.models import Credential, Host
from webapp import access
from webapp.admin.entries import EntryForm

#: More pairs of label and value than this make no useful filter.
LABELS_SHOWN = 60


class LabelsField(forms.CharField):
    """A mapping, written as one ``label=value`` a line."""

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea({"rows": 4, "cols": 40, "class": "code", "spellcheck": "false"})
        options.setdefault("help_text", gettext_lazy("One label=value a line."))
        super().__init__(required=False, widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{label}={text}" for label, text in value.items())
        return value

    def clean(self, value: Any) -> Any:
        pairs: dict[str, str] = {}
        for line in (super().clean(value) or "").splitlines():
            label, equals, text = (part.strip() for part in line.partition("="))
            if not line.strip():
                continue
            if not equals or not label:
                raise ValidationError(
                    _("“%(line)s” is not of the form label=value") % {"line": line}
                )
            if label in pairs:
                raise ValidationError(_("“%(label)s” is given twice") % {"label": label})
            pairs[label] = text
        return pairs


class HostForm(EntryForm):
    section = "hosts"

    labels = LabelsField(label=gettext_lazy("Labels"))
    via = forms.CharField(
        label=gettext_lazy("Via"),
        required=False,
        help_text=gettext_lazy("The name of another host to go through."),
    )

    class Meta:
        model = Host
        fields = ("name", "game", "address", "port", "user", "credential", "machine", "vars")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        credentials = cast("forms.ModelChoiceField[Credential]", self.fields["credential"])
        found = credentials.queryset or Credential.objects.none()
        credentials.queryset = found.filter(kind=Credential.Kind.SSH_KEY)
        self.initial["via"] = self.instance.via.name if self.instance.via else ""

    def clean_via(self) -> Host | None:
        if not (name := self.cleaned_data["via"].strip()):
            return None
        # To go through a host is to log in there; which game may, the inventory says.
        usable = Host.objects.filter(credential__in=access.usable_credentials(self.by))
        if found := usable.filter(name=name).first():
            return found
        raise ValidationError(_("There is no host “%(name)s”."), params={"name": name})

    def entry(self) -> dict[str, Any]:
        given = self.cleaned_data
        machine, via = given["machine"], given["via"]
        return {
            "name": self.instance.name if self.instance.pk else given["name"],
            "game": given["game"].name,
            "address": given["address"],
            "port": given["port"],
            "user": given["user"],
            "credential": given["credential"].name,
            "machine": machine.name if machine else None,
            "via": via.name if via else None,
            "labels": given["labels"],
            "vars": given["vars"] or {},
        }


class LabelFilter(admin.SimpleListFilter):
    title = gettext_lazy("label")
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = {
            f"{label}={value}"
            for labels in model_admin.get_queryset(request)
            .exclude(labels={})
            .values_list("labels", flat=True)
            for label, value in labels.items()
        }
        return [(pair, pair) for pair in sorted(found)[:LABELS_SHOWN]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Host]) -> QuerySet[Host]:
        label, _equals, value = (self.value() or "").partition("=")
        return host_orders.labelled(queryset, label, value) if label else queryset


class KeyFilter(admin.SimpleListFilter):
    title = gettext_lazy("host key")
    parameter_name = "key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("approved", gettext_lazy("approved")),
            ("none", gettext_lazy("none is approved")),
            ("offered", gettext_lazy("one waits for approval")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = {
            "approved": Q(has_pinned=True),
            "none": Q(has_pinned=False),
            "offered": Q(has_offered=True),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


class LabelsForm(forms.Form):
    put = LabelsField(label=gettext_lazy("Set"))
    drop = forms.CharField(
        label=gettext_lazy("Take away"),
        required=False,
        help_text=gettext_lazy("Names of labels, with spaces between them."),
    )

    def clean_drop(self) -> list[str]:
        return str(self.cleaned_data["drop"]).split()
