"""What pydantic found wrong with an input, in the operator's words: file, line, field, remedy."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ValidationError

from deploy_tasks.errors import InvalidInput
from deploy_tasks.yamlfile import Document, Place, in_quotes


class Unquoted(InvalidInput):
    """YAML, or a program, gave a number or a truth value where text was meant."""

    def __init__(self, given: object) -> None:
        super().__init__(in_quotes(as_written(given)))


def findings(
    error: ValidationError,
    document: Document,
    *,
    model: type[BaseModel],
    at: Place = (),
) -> list[InvalidInput]:
    """One InvalidInput for each thing that ``model`` refused in the part of ``document`` at
    ``at``. For an input that is no file, ``Document(data)`` will do: the findings have no line."""
    return [
        document.invalid(
            place := (*at, *_place(detail["loc"])),
            _message(dict(detail), document.text(place), model),
            at_key=detail["type"] == "extra_forbidden",
        )
        for detail in error.errors(include_url=False)
        # Only says that another field, which has its own finding, is wrong.
        if detail["type"] != "default_factory_not_called"
    ]


def said(detail: Mapping[str, Any]) -> str:
    """What pydantic found, in our words and the reader's language, where we have some for it."""
    if message := MESSAGES.get(detail["type"]):
        return str(message) % dict(detail.get("ctx", {}))
    # Of a value_error these are our own words behind a prefix.
    return str(detail["msg"]).removeprefix("Value error, ")


def as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(loc: tuple[str | int, ...]) -> Place:
    # Keys of mappings are reported as ("vars", "port", "[key]").
    return tuple(part for part in loc if part != "[key]")


def _message(detail: Mapping[str, Any], text: str | None, model: type[BaseModel]) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"], model)
    if kind == "string_type" and isinstance(given, (int, float)):
        return in_quotes(text or as_written(given))
    if kind not in ("missing", "value_error") and given is None:
        return _("has no value; write one, or leave the key out")
    return said(detail)


def _unknown_key(loc: tuple[str | int, ...], model: type[BaseModel]) -> str:
    known = _keys(_model_at(model, loc[:-1]))
    close = get_close_matches(str(loc[-1]), known, n=1)
    if close:
        return _("unknown key; did you mean “%(key)s”?") % {"key": close[0]}
    return _("unknown key; known are: %(keys)s") % {"keys": ", ".join(known)}


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel]:
    for part in loc:
        by_key = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in by_key:
            model = next(_models_in(by_key[str(part)].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


MESSAGES = {
    "missing": gettext_lazy("is required"),
    "string_type": gettext_lazy("must be text"),
    "string_too_short": gettext_lazy("must not be empty"),
    "string_too_long": gettext_lazy("has more than %(max_length)s characters"),
    "int_parsing": gettext_lazy("must be a whole number, without quotes"),
    "int_type": gettext_lazy("must be a whole number, without quotes"),
    "bool_parsing": gettext_lazy("must be true or false"),
    "bool_type": gettext_lazy("must be true or false"),
    "float_parsing": gettext_lazy("must be a number"),
    "float_type": gettext_lazy("must be a number"),
    "list_type": gettext_lazy("must be a list"),
    "tuple_type": gettext_lazy("must be a list"),
    "dict_type": gettext_lazy("must be a mapping of keys to values"),
    "model_type": gettext_lazy("must be a mapping of keys to values"),
    "literal_error": gettext_lazy("must be %(expected)s"),
    "enum": gettext_lazy("must be %(expected)s"),
    "greater_than": gettext_lazy("must be greater than %(gt)s"),
    "greater_than_equal": gettext_lazy("must be at least %(ge)s"),
    "less_than": gettext_lazy("must be less than %(lt)s"),
    "less_than_equal": gettext_lazy("must be at most %(le)s"),
    "too_short": gettext_lazy("must have at least %(min_length)s entry"),
    "too_long": gettext_lazy("has more than %(max_length)s entries"),
}
