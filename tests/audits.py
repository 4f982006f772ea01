"""An audit that nothing can be written to, as with a full disk or without the right to."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from deploy_tasks.models import AuditEntry

_TABLE = AuditEntry._meta.db_table
_BREAK = {
    "sqlite": f"CREATE TRIGGER no_audit BEFORE INSERT ON {_TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'no room'); END",
    "postgresql": f"ALTER TABLE {_TABLE} ADD CONSTRAINT no_audit CHECK (false) NOT VALID",
}
_MEND = {
    "sqlite": "DROP TRIGGER no_audit",
    "postgresql": f"ALTER TABLE {_TABLE} DROP CONSTRAINT no_audit",
}


@contextmanager
def unwritable() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(_BREAK[connection.vendor])
        yield
        cursor.execute(_MEND[connection.vendor])
