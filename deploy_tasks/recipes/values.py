"""The values of a recipe's vars: typed and checked here, then plain strings for the shell."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from deploy_tasks.durations import seconds
from deploy_tasks.errors import InvalidInput
from deploy_tasks.findings import Unquoted
from deploy_tasks.names import valid_name
from deploy_tasks.recipes.schema import Recipe, Var, VarType

#: Given to every script; no var may hide one of them.
RESERVED = frozenset({"version", "previous", "artifact", "sha256", "host", "job"})


@dataclass(frozen=True)
class Values:
    """``plain``: what each shell variable holds. ``secrets``: var name -> credential name."""

    plain: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


def resolve(
    recipe: Recipe,
    *,
    game: Mapping[str, Any],
    host: Mapping[str, Any],
    job: Mapping[str, Any],
) -> Values:
    """The value of every var: a host's vars override its game's, those the defaults; a job may
    set vars marked ``ask`` and overrides all. A var that nobody set is empty.

    Raises InvalidInput with the field (``vars.port``) for the first thing that does not fit.
    """
    for finding in (
        *_not_asked(recipe, job),
        *unfit(recipe, game),
        *unfit(recipe, host),
        *unfit(recipe, job),
        *missing(recipe, game, host, job),
    ):
        raise finding
    values, chosen = Values(), {**game, **host, **job}
    for name, var in recipe.vars.items():
        given = chosen.get(name, var.default)
        texts = values.secrets if var.type == "secret" else values.plain
        if given is not None:
            texts[name] = to_text(var, given)
        elif var.type != "secret":
            texts[name] = ""
    return values


def unfit(recipe: Recipe, given: Mapping[str, Any]) -> Iterator[InvalidInput]:
    """What of the given values the recipe's vars refuse: unknown names and bad values."""
    for name, value in given.items():
        if name not in recipe.vars:
            known = ", ".join(recipe.vars) or _("none")
            yield InvalidInput(
                _("the recipe %(recipe)s has no such var; its vars are: %(known)s")
                % {"recipe": recipe.name, "known": known},
                field=f"vars.{name}",
            )
            continue
        try:
            to_text(recipe.vars[name], value)
        except InvalidInput as finding:
            finding.field = f"vars.{name}"
            yield finding


def missing(recipe: Recipe, *given: Mapping[str, Any]) -> Iterator[InvalidInput]:
    """The required vars that none of the given mappings sets."""
    for name, var in recipe.vars.items():
        if var.required and not any(name in values for values in given):
            yield InvalidInput(
                _("the recipe %(recipe)s needs this var (%(type)s)")
                % {"recipe": recipe.name, "type": var.type},
                field=f"vars.{name}",
            )


def to_text(var: Var, given: Any, *, written: str | None = None) -> str:
    """What the shell variable will hold. Raises InvalidInput; ``written`` is the value as it
    stands in its file, for the remedy."""
    if given is None:
        raise InvalidInput(_("has no value; write one, or leave the key out"))
    try:
        return _choice(var, given) if var.type == "choice" else _TO_TEXT[var.type](given)
    except ValueError as error:
        raise InvalidInput(str(error))
    except _NotText:
        raise Unquoted(given if written is None else written)


def _not_asked(recipe: Recipe, job: Mapping[str, Any]) -> Iterator[InvalidInput]:
    for name in job:
        if name in recipe.vars and not recipe.vars[name].ask:
            yield InvalidInput(
                _("a job may not set this var; the recipe does not mark it with ask: true"),
                field=f"vars.{name}",
            )


class _NotText(Exception):
    """A number or a truth value where text was meant."""


def _text(given: Any) -> str:
    if isinstance(given, (bool, int, float)):
        raise _NotText
    if not isinstance(given, str):
        raise ValueError(_("must be text"))
    if "\0" in given:
        raise ValueError(_("has a NUL character, which no shell variable can hold"))
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise ValueError(_("has half a character; write it again"))
    return given


def _int(given: Any) -> str:
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    if isinstance(given, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", given):
        return given
    raise ValueError(_("must be a whole number"))


def _bool(given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if given in ("true", "false"):
        return str(given)
    raise ValueError(_("must be true or false"))


def _path(given: Any) -> str:
    path = _text(given)
    if not path.startswith("/"):
        raise ValueError(_("must be an absolute path; it begins with /"))
    if not path.isprintable():
        raise ValueError(_("has a character that no path should have"))
    if ".." in path.split("/"):
        raise ValueError(_("must not have .. in it; write the path it leads to"))
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if clean == "/":
        raise ValueError(_("must not be / itself; name a directory of its own"))
    return clean


def _port(given: Any) -> str:
    port = _int(given)
    if not 1 <= int(port) <= 65535:
        raise ValueError(_("must be a port, 1 to 65535"))
    return port


def _duration(given: Any) -> str:
    return f"{seconds(given):f}".rstrip("0").rstrip(".")


def _name(given: Any) -> str:
    return valid_name(_text(given))


def _sha256(given: Any) -> str:
    text = _text(given).lower()
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise ValueError(_("must be a SHA-256 in 64 hexadecimal digits"))
    return text


def _list(given: Any) -> str:
    if not isinstance(given, list):
        raise ValueError(_("must be a list"))
    items = [_text(item) for item in given]
    if any("\n" in item for item in items):
        raise ValueError(_("an entry of a list must not have a line break in it"))
    return "\n".join(items)


def _choice(var: Var, given: Any) -> str:
    chosen, choices = _text(given), var.choices or []
    if chosen not in choices:
        raise ValueError(_("must be one of: %(choices)s") % {"choices": ", ".join(choices)})
    return chosen


_TO_TEXT: Mapping[VarType, Callable[[Any], str]] = {
    "string": _text,
    "int": _int,
    "bool": _bool,
    "path": _path,
    "port": _port,
    "duration": _duration,
    "name": _name,
    "version": _name,
    "sha256": _sha256,
    "secret": _name,
    "list": _list,
}
