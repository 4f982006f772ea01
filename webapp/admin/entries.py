"""Screens whose rows are entries of the inventory: the inventory decides what one may say."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib.auth.models import User
from django.db.models import JSONField, Model
from django.http import HttpRequest

from deploy_tasks import inventory
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.inventory.schema import Section
from webapp import access, strict_json
from webapp.admin.site import Admin

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm


class EntryForm(ModelForm):
    """``entry()`` is what an inventory file would say, from fields of the same names."""

    section: ClassVar[Section]
    #: Whose rights decide what it may name; set by the screen.
    by: ClassVar[User]

    def entry(self) -> dict[str, Any]:
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                inventory.check_entry(self.section, self.entry(), reach=access.reach(self.by))
            except InvalidInputs as wrong:
                refuse(self, wrong.findings)
        return cleaned


class EntryAdmin(Admin):
    """Saves through the inventory, which also writes the audit."""

    formfield_overrides: ClassVar[dict[Any, dict[str, Any]]] = {
        JSONField: {"form_class": strict_json.Field}
    }

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.by = cast(User, request.user)
        return form

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        row = inventory.import_entry(
            form.section,
            form.entry(),
            by=form.by,
            reach=access.reach(form.by),
        )
        obj.pk = row.pk
        obj.refresh_from_db()

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Done already."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Done already."""


def refuse(form: forms.BaseForm, findings: Iterable[InvalidInput]) -> None:
    """Put each finding beside the field that it is about."""
    for finding in findings:
        field, rest = _parts(finding.field or "")
        known = field in form.fields
        said = f"{rest}: {finding.message}" if known and rest else finding.message
        form.add_error(field if known else None, said if known else str(finding))


def _parts(path: str) -> tuple[str, str]:
    """``vars.port`` -> ("vars", "port")."""
    field, _, rest = re.sub(r"[.\[\]]+", ".", path).strip(".").partition(".")
    return field, rest
