"""Rows as lines of JSON, and back. The first line names the columns, each other one is a row."""

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

#: Of the moment, and of no use in another one: who is logged in, guesses at passwords, workers.
LEFT_OUT = {"sessions.session", "deploy_tasks.worker"}
LEFT_OUT_APPS = {"axes"}
#: Rows held at a time.
CHUNK = 2000


class Damaged(Exception):
    """Rows or files are not as they were written."""


def models() -> list[type[Model]]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and model._meta.label_lower not in LEFT_OUT
        and model._meta.app_label not in LEFT_OUT_APPS
    ]


def dump(model: type[Model], directory: Path) -> tuple[Path, int]:
    """The file, gzipped, and how many rows are in it."""
    path = directory / model._meta.label_lower
    columns = [field.attname for field in model._meta.concrete_fields]
    found = model._base_manager.order_by("pk").values_list(*columns)
    count = 0
    with gzip.open(path, "wt", compresslevel=3, encoding="utf-8") as lines:
        lines.write(f"{json.dumps(columns)}\n")
        for row in found.iterator(chunk_size=CHUNK):
            lines.write(f"{json.dumps(row, default=_plain, separators=(',', ':'))}\n")
            count += 1
    return path, count


def delete_all() -> None:
    """In any order: what refers to what is looked at when all is there again."""
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.managed and not model._meta.proxy:
                cursor.execute(f"DELETE FROM {_quoted(model._meta.db_table)}")  # noqa: S608


def load(label: str, content: IO[bytes]) -> int:
    """Insert what ``dump`` wrote, as it was: no default, no ``auto_now``; gives how many rows.

    Raises Damaged.
    """
    known = {model._meta.label_lower: model for model in models()}
    if label not in known:
        raise Damaged(label)
    try:
        with gzip.open(content, "rt", encoding="utf-8") as lines:
            return _insert(known[label], json.loads(next(lines)), map(json.loads, lines))
    except (OSError, ValueError, StopIteration, LookupError, ValidationError) as error:
        raise Damaged(f"{label}: {error}")


def set_sequences() -> None:
    """The next number that is given is one that nothing has."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models()):
            cursor.execute(statement)


def _insert(model: type[Model], columns: list[str], found: Iterator[list[Any]]) -> int:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = [by_name[column] for column in columns]
    names = ", ".join(_quoted(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {_quoted(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608
    count = 0
    with connection.cursor() as cursor:
        while chunk := list(islice(found, CHUNK)):
            count += len(chunk)
            cursor.executemany(
                statement,
                [
                    [
                        field.get_db_prep_save(field.to_python(value), connection)
                        for field, value in zip(fields, row, strict=True)
                    ]
                    for row in chunk
                ],
            )
    return count


def _plain(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value)}")


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
