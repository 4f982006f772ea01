"""Some fifty other protocols through opengsq, where that is installed (requirements-opengsq.txt).

Its answers have many shapes. A version and a count are taken from where most of them have it; what
is found in none of these places is not known.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from django.utils.translation import gettext as _

from deploy_tasks.query import answer
from deploy_tasks.query.answer import Answer, Silent, within_limit

#: The first of these that a protocol has is asked.
QUESTIONS = ("get_status", "get_info", "get_details", "get_dynamic")
VERSIONS = ("version", "game_version", "version_name", "gamever", "si_version", "shortversion")
COUNTS = ("num_players", "numplayers", "players_online", "clients", "players")


def opengsq(protocol: str, address: str, port: int) -> Answer:
    """``protocol``: the name of its module, such as ``quake3``. Raises Silent."""
    kind = _protocol(protocol)
    question = next((name for name in QUESTIONS if hasattr(kind, name)), None)
    try:
        asked = kind(address, port, timeout=answer.LIMIT)
    except TypeError:  # one wants a password, another a second port
        question = None
    if question is None:
        raise Silent(_("opengsq cannot ask protocol %s with a port alone") % protocol)
    ask = getattr(asked, question)
    return _read(_flat(within_limit(ask(), port)))


def _protocol(name: str) -> Any:
    _library()
    try:
        module = importlib.import_module(f"opengsq.protocols.{name}")
    except ModuleNotFoundError:
        raise Silent(_("opengsq knows no protocol “%s”") % name) from None
    found = [one for one in vars(module).values() if _is_protocol(one, module)]
    return found[-1]


def _library() -> ModuleType:
    try:
        return importlib.import_module("opengsq")
    except ImportError:
        raise Silent(
            _("opengsq is not installed on the worker; requirements-opengsq.txt has it")
        ) from None


def _is_protocol(one: Any, module: ModuleType) -> bool:
    mine = isinstance(one, type) and one.__module__ == module.__name__
    return mine and hasattr(one, "full_name")


def _flat(told: Any) -> dict[str, Any]:
    """Its fields by name; those of its ``info`` as well, where it has one."""
    if dataclasses.is_dataclass(told) and not isinstance(told, type):
        told = {field.name: getattr(told, field.name) for field in dataclasses.fields(told)}
    if not isinstance(told, Mapping):
        return {}
    inside = told.get("info")
    return {**(inside if isinstance(inside, Mapping) else {}), **told}


def _read(told: Mapping[str, Any]) -> Answer:
    version = next((str(told[name]) for name in VERSIONS if told.get(name)), "")
    counts = (_number(told[name]) for name in COUNTS if name in told)
    return Answer(version, next((count for count in counts if count is not None), None))


def _number(given: Any) -> int | None:
    if isinstance(given, (list, tuple)):
        return len(given)
    try:
        number = int(given)
    except (TypeError, ValueError):
        return None
    return number if number >= 0 else None
