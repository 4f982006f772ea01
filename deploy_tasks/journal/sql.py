"""Set-wise statements: one for many rows, through Django's connection and its fields.

The ORM row by row costs five times the processor time of these, and a worker's processor time
is what an update of 500 hosts waits for. SQLite and PostgreSQL read the same statements.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import (
    AutoField,
    BigAutoField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    TextField,
)

#: Rows a statement; keeps it below SQLite's limit of 32,766 values.
CHUNK = 200
#: Of their values the driver takes each as it is.
AS_THEY_ARE = (
    AutoField,
    BigAutoField,
    BooleanField,
    CharField,
    ForeignKey,
    IntegerField,
    TextField,
)


def insert(model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for statement, values in _inserts(model, columns, rows):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)


def insert_for_ids(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[int]:
    """Insert rows and give their ids, in order.

    Each id is fetched by itself, and among fifty busy threads each has to wait for its turn.
    """
    ids: list[int] = []
    for statement, values in _inserts(model, columns, rows):
        with connection.cursor() as cursor:
            cursor.execute(f"{statement} RETURNING id", values)
            ids += [row[0] for row in cursor.fetchall()]
    assert len(ids) == len(rows)
    return ids


def update(
    model: type[Model],
    guards: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    where: str = "TRUE",
) -> set[int]:
    """Compare and set: each row is (id, guard values…, new values…). Gives the ids that won.

    ``where`` is a further condition, our own text, on columns of the table.
    """
    fields = _fields(model, ["id", *guards, *columns])
    given = [(f, _typed(f, f"v.column{place}")) for place, f in enumerate(fields, 1)]
    same = [f"{_table(model)}.{_quoted(f)} = {value}" for f, value in given[: 1 + len(guards)]]
    changed = [f"{_quoted(f)} = {value}" for f, value in given[1 + len(guards) :]]
    won: set[int] = set()
    for places, values in _chunks(fields, rows):
        statement = (
            f"UPDATE {_table(model)} SET {', '.join(changed)} FROM (VALUES {places}) AS v "  # noqa: S608
            f"WHERE {' AND '.join([*same, where])} RETURNING {_table(model)}.id"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            won |= {row[0] for row in cursor.fetchall()}
    return won


def _inserts(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, list[Any]]]:
    fields = _fields(model, columns)
    names = ", ".join(_quoted(field) for field in fields)
    for places, values in _chunks(fields, rows):
        yield f"INSERT INTO {_table(model)} ({names}) VALUES {places}", values  # noqa: S608


def _chunks(
    fields: Sequence["Field[Any, Any]"], rows: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, list[Any]]]:
    place = f"({', '.join(['%s'] * len(fields))})"
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        columns = [
            _ready(f, column) for f, column in zip(fields, zip(*chunk, strict=True), strict=True)
        ]
        values = [value for row in zip(*columns, strict=True) for value in row]
        yield ", ".join([place] * len(chunk)), values


def _ready(field: "Field[Any, Any]", values: Sequence[Any]) -> Sequence[Any]:
    """Values of one column as the database's driver takes them."""
    if isinstance(field, AS_THEY_ARE):
        return values
    if isinstance(field, DateTimeField):
        return _moments(values)
    if isinstance(field, JSONField):
        adapt, encoder = connection.ops.adapt_json_value, field.encoder
        return [None if one is None else adapt(one, encoder) for one in values]
    return [None if one is None else field.get_db_prep_save(one, connection) for one in values]


def _moments(values: Sequence[datetime | None]) -> Sequence[Any]:
    adapt = connection.ops.adapt_datetimefield_value
    if connection.vendor == "sqlite":
        # What Django makes of a time in UTC, which is what we have, without asking for its zone.
        return [
            str(one.replace(tzinfo=None)) if one is not None and one.tzinfo is UTC else adapt(one)
            for one in values
        ]
    return [None if one is None else adapt(one) for one in values]


def _fields(model: type[Model], names: Sequence[str]) -> list["Field[Any, Any]"]:
    fields = [model._meta.get_field(name.removesuffix("_id")) for name in names]
    assert all(isinstance(field, Field) for field in fields)
    return fields  # type: ignore[return-value]


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
