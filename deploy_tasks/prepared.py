"""Questions that are asked all the time: their statement is written once.

Django takes three times as long to write one as the database takes to answer it, and it holds
Python's lock meanwhile, for which the threads of fifty hosts wait.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, QuerySet
from django.db.models.sql.compiler import SQLCompiler

#: A place in a row: what makes of the driver's value what the field has.
_Conversions = dict[int, tuple[list[Callable[..., Any]], Any]]


class Given(Expression):
    """Stands in a question for what is known only when it is asked: a number or a word."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Prepared:
    """``make`` gives a queryset of ``values_list``, with a `Given` for each thing that will be
    given."""

    def __init__(self, make: Callable[[], QuerySet[Any, tuple[Any, ...]]]) -> None:
        self._make = make
        self._written = lru_cache(self._write)

    def __call__(self, **given: int | str) -> list[tuple[Any, ...]]:
        """The rows, as the queryset would give them."""
        statement, parameters, conversions = self._written(connection.vendor)
        values = [given[one.name] if isinstance(one, Given) else one for one in parameters]
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows = cursor.fetchall()
        return [_converted(row, conversions) for row in rows] if conversions else rows

    def _write(self, _vendor: str) -> tuple[str, tuple[Any, ...], _Conversions]:
        compiler = self._make().query.get_compiler(connection=connection)
        statement, parameters = compiler.as_sql()
        columns = [expression for expression, *_ in compiler.select[: compiler.col_count]]
        return statement, tuple(parameters), compiler.get_converters(columns)


def _converted(row: tuple[Any, ...], conversions: _Conversions) -> tuple[Any, ...]:
    found = list(row)
    for place, (functions, expression) in conversions.items():
        for convert in functions:
            found[place] = convert(found[place], expression, connection)
    return tuple(found)
