"""Set-wise statements: one for many rows, through Django's connection and its fields.

The ORM row by row costs five times the processor time of these, and a worker's processor time
is what an update of 500 hosts waits for. SQLite and PostgreSQL read the same statements.

SQLite's driver lets go of the interpreter lock for each row that it fetches, and then waits for it
among fifty busy threads: nothing is fetched that can be known without asking.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import (
    AutoField,
    BigAutoField,
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    QuerySet,
    TextField,
)
from django.db.models.sql import UpdateQuery

#: Rows a statement; keeps it below SQLite's limit of 32,766 values.
CHUNK = 200
#: Of their values the driver takes each as it is.
AS_THEY_ARE = (
    AutoField,
    BigAutoField,
    BinaryField,
    BooleanField,
    CharField,
    ForeignKey,
    IntegerField,
    TextField,
)
#: Turns the values of one column into what the database's driver takes.
_Ready = Callable[[Sequence[Any]], Sequence[Any]]


def insert(model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    begin = _insert_into(model, tuple(columns))
    for places, values in _chunks(model, columns, rows):
        with connection.cursor() as cursor:
            cursor.execute(begin + places, values)


def insert_for_ids(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[int]:
    """Insert rows and give their ids, in order."""
    ids: list[int] = []
    begin = _insert_into(model, tuple(columns))
    for places, values in _chunks(model, columns, rows):
        count = len(values) // len(columns)
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                # Who inserts has the whole database: the ids follow each other.
                cursor.execute(begin + places, values)
                ids += range(cursor.lastrowid - count + 1, cursor.lastrowid + 1)
            else:
                cursor.execute(f"{begin}{places} RETURNING id", values)
                ids += [row[0] for row in cursor.fetchall()]
    assert len(ids) == len(rows)
    return ids


def update(model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Set: each row is (id, new values…)."""
    begin, end = _update_from(model, (), tuple(columns), "TRUE")
    for places, values in _chunks(model, ["id", *columns], rows):
        with connection.cursor() as cursor:
            cursor.execute(begin + places + end, values)


def compare_and_set(
    model: type[Model],
    guards: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    where: str = "TRUE",
) -> set[int]:
    """Each row is (id, guard values…, new values…). Gives the ids that won.

    ``where`` is a further condition, our own text, on columns of the table.
    """
    begin, end = _update_from(model, tuple(guards), tuple(columns), where)
    won: set[int] = set()
    for places, values in _chunks(model, ["id", *guards, *columns], rows):
        with connection.cursor() as cursor:
            cursor.execute(f"{begin}{places}{end} RETURNING {_table(model)}.id", values)
            won |= {row[0] for row in cursor.fetchall()}
    return won


def update_returning(
    rows: QuerySet[Any], columns: Sequence[str], changes: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """``rows.update(**changes)``; gives these columns of those that were there, in any order."""
    changing = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    changing.add_update_values(dict(changes))
    try:
        statement, values = changing.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {', '.join(columns)}", values)
        return list(cursor.fetchall())


# The same few statements all the time. Writing one anew took half as long as preparing its values.


@lru_cache(maxsize=128)
def _insert_into(model: type[Model], columns: tuple[str, ...]) -> str:
    names = ", ".join(_quoted(_field(model, name)) for name in columns)
    return f"INSERT INTO {_table(model)} ({names}) VALUES "  # noqa: S608


@lru_cache(maxsize=128)
def _update_from(
    model: type[Model], guards: tuple[str, ...], columns: tuple[str, ...], where: str
) -> tuple[str, str]:
    """What stands before the values and after them."""
    fields = [_field(model, name) for name in ("id", *guards, *columns)]
    given = [(f, _typed(f, f"v.column{place}")) for place, f in enumerate(fields, 1)]
    same = [f"{_table(model)}.{_quoted(f)} = {value}" for f, value in given[: 1 + len(guards)]]
    changed = [f"{_quoted(f)} = {value}" for f, value in given[1 + len(guards) :]]
    return (
        f"UPDATE {_table(model)} SET {', '.join(changed)} FROM (VALUES ",  # noqa: S608
        f") AS v WHERE {' AND '.join([*same, where])}",
    )


def _chunks(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, list[Any]]]:
    place = f"({', '.join(['%s'] * len(columns))})"
    ready = [_ready(_field(model, name)) for name in columns]
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        made = [make(column) for make, column in zip(ready, zip(*chunk, strict=True), strict=True)]
        values = [value for row in zip(*made, strict=True) for value in row]
        yield ", ".join([place] * len(chunk)), values


@lru_cache(maxsize=256)
def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name.removesuffix("_id"))
    assert isinstance(field, Field)
    return field


@lru_cache(maxsize=256)
def _ready(field: "Field[Any, Any]") -> _Ready:
    if isinstance(field, AS_THEY_ARE):
        return _as_they_are
    if isinstance(field, DateTimeField):
        return _moments
    if isinstance(field, JSONField):
        return partial(_documents, field)
    return partial(_prepared, field)


def _as_they_are(values: Sequence[Any]) -> Sequence[Any]:
    return values


def _moments(values: Sequence[datetime | None]) -> Sequence[Any]:
    adapt = connection.ops.adapt_datetimefield_value
    if connection.vendor == "sqlite":
        # What Django makes of a time in UTC, which is what we have, without asking for its zone.
        return [
            one.isoformat(" ")[: -len("+00:00")] if one and one.tzinfo is UTC else adapt(one)
            for one in values
        ]
    return [None if one is None else adapt(one) for one in values]


def _documents(field: "JSONField[Any, Any]", values: Sequence[Any]) -> Sequence[Any]:
    adapt, encoder = connection.ops.adapt_json_value, field.encoder
    return [None if one is None else adapt(one, encoder) for one in values]


def _prepared(field: "Field[Any, Any]", values: Sequence[Any]) -> Sequence[Any]:
    return [None if one is None else field.get_db_prep_save(one, connection) for one in values]


def _typed(field: "Field[Any, Any]", value: str) -> str:
    # PostgreSQL takes a value in VALUES for text where nothing says otherwise.
    if connection.vendor != "postgresql":
        return value
    kind = field.rel_db_type(connection) if field.primary_key else field.db_type(connection)
    return f"CAST({value} AS {kind})"


def _quoted(field: "Field[Any, Any]") -> str:
    return connection.ops.quote_name(str(field.column))


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
