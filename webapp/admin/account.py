"""What a form has changed, for the audit: what each field held before, and what it holds now.

It travels inside Django's own account of a change, as its last part.
"""

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.utils import translation

#: What is typed into these is nobody's business.
SECRETIVE = (forms.PasswordInput, forms.FileInput)


def with_values(message: list[dict[str, Any]], form: Any, formsets: Iterable[Any]) -> list[Any]:
    told = _changed(form)
    inner = (one for formset in formsets for one in formset.forms)
    for number, one in enumerate(inner, 1):
        changed = _changed(one)
        if changed:
            told |= {f"{number}.{name}": pair for name, pair in changed.items()}
            told[f"{number}."] = [str(one.instance), str(one.instance)]
    return [*message, {"values": told}]


def before(message: Any) -> dict[str, Any]:
    return {name: pair[0] for name, pair in _values(message).items()}


def after(message: Any) -> dict[str, Any]:
    return {name: pair[1] for name, pair in _values(message).items()}


def in_words(message: Any) -> str:
    """Django's account, "Changed Active.", in the language of the record."""
    if isinstance(message, list):
        message = [part for part in message if "values" not in part]
    with translation.override("en"):
        return LogEntry(change_message=json.dumps(message)).get_change_message()


def _values(message: Any) -> dict[str, list[Any]]:
    parts = message if isinstance(message, list) else []
    return next((part["values"] for part in parts if "values" in part), {})


def _changed(form: Any) -> dict[str, list[Any]]:
    """Field -> what it held and what it holds, both as people read it."""
    told = {}
    for name in form.changed_data:
        # A form for a password says "password" where its fields are called otherwise.
        field = form.fields.get(name)
        if field is None:
            continue
        if isinstance(field.widget, SECRETIVE) or getattr(field.widget, "write_only", False):
            continue
        # As the form was sent out: the row itself has changed by now.
        held, holds = form.initial.get(name), form.cleaned_data.get(name)
        told[name] = [_shown(field, held), _shown(field, holds)]
    return told


def _shown(field: Any, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, dict, list)):
        known = isinstance(field, forms.ModelChoiceField) and value is not None
        return str(field.queryset.filter(pk=value).first()) if known else value
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [str(one) for one in value]
    return str(value)
