"""The database itself refuses to change or remove what the audit says.

Triggers, made anew at each start: SQLite forgets them when a migration rebuilds the table. Who
owns the database can take them away, and the chain tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from deploy_tasks.models import AuditEntry

REFUSAL = "the audit is only ever appended to"

_TABLE = AuditEntry._meta.db_table

_MAKE = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS audit_no_{verb} BEFORE {verb} ON {_TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for verb in ("update", "delete")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
        "CREATE OR REPLACE TRIGGER audit_only_appended BEFORE UPDATE OR DELETE OR TRUNCATE "
        f"ON {_TABLE} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ],
}
_FIND = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = 'audit_no_update'",
    "postgresql": "SELECT 1 FROM pg_trigger WHERE tgname = 'audit_only_appended'",
}
_DROP = {
    "sqlite": [f"DROP TRIGGER IF EXISTS audit_no_{verb}" for verb in ("update", "delete")],
    "postgresql": [f"DROP TRIGGER IF EXISTS audit_only_appended ON {_TABLE}"],
}


def guard() -> None:
    """Make the triggers, where they are not there yet."""
    with transaction.atomic():
        _execute(_MAKE)


@contextmanager
def lifted() -> Iterator[None]:
    """For an archive and a restore, in one transaction: nobody else sees it without a guard."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FIND[connection.vendor])
        was_guarded = cursor.fetchone() is not None
        _execute(_DROP)
        yield
        if was_guarded:
            _execute(_MAKE)


def _execute(statements: dict[str, list[str]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)
