"""Questions that are asked all the time: their statement is written once.

Django takes three times as long to write one as the database takes to answer it, and it holds
Python's lock meanwhile, for which the threads of fifty hosts wait.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

M = TypeVar("M", bound=Model)

#: Of the largest number that a row can have, without its sign.
BITS = 63

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
        """The rows, as the queryset would give them: of a number that no row can have, none."""
        if any(isinstance(value, int) and value.bit_length() > BITS for value in given.values()):
            return []
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


class PreparedObjects(Generic[M]):
    """``make`` gives a queryset; ``related`` names what its objects point at, and shall come with
    them, as for ``select_related``: ``host``, and then ``host__game``."""

    def __init__(self, make: Callable[[], QuerySet[M]], *related: str) -> None:
        self._make = make
        self._names = related
        self._ask = Prepared(self._rows)

    def __call__(self, **given: int | str) -> list[M]:
        """The objects, as the queryset would give them with ``select_related``."""
        return [self._made(iter(row)) for row in self._ask(**given)]

    def _rows(self) -> QuerySet[M, tuple[Any, ...]]:
        fields = [*_fields(self._model)]
        for name, model in self._related.items():
            fields += [f"{name}__{field}" for field in _fields(model)]
        return self._make().values_list(*fields)

    @cached_property
    def _model(self) -> type[M]:
        return self._make().model

    @cached_property
    def _related(self) -> dict[str, type[Model]]:
        found: dict[str, type[Model]] = {}
        for name in self._names:
            of, _, last = name.rpartition("__")
            model = (found[of] if of else self._model)._meta.get_field(last).related_model
            assert isinstance(model, type)
            found[name] = model
        return found

    def _made(self, values: Iterator[Any]) -> M:
        made: dict[str, Any] = {"": _object(self._model, values)}
        for name, model in self._related.items():
            of, _, last = name.rpartition("__")
            made[name] = _object(model, values)
            # What points at nothing has nothing to be told of.
            if made[of] is not None:
                setattr(made[of], last, made[name])
        found: M = made[""]
        return found


@lru_cache(maxsize=32)
def _fields(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _object(model: type[M], values: Iterator[Any]) -> M | None:
    """None where there is none: its key is missing."""
    names = _fields(model)
    row = dict(zip(names, islice(values, len(names)), strict=True))
    if row[model._meta.pk.attname] is None:
        return None
    return model.from_db(connection.alias, names, list(row.values()))


def _converted(row: tuple[Any, ...], conversions: _Conversions) -> tuple[Any, ...]:
    found = list(row)
    for place, (functions, expression) in conversions.items():
        for convert in functions:
            found[place] = convert(found[place], expression, connection)
    return tuple(found)
