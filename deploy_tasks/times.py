"""How a moment is written for programs: ISO 8601, UTC, milliseconds."""

from datetime import UTC, datetime
from typing import Annotated

from django.utils.translation import gettext as _
from pydantic import AfterValidator, AwareDatetime


def iso(at: datetime) -> str:
    """``2026-01-31T23:59:59.123Z``"""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_utc(at: datetime) -> datetime:
    """Raises ValueError for a moment that UTC has no year for."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(_("is no moment that a job will see")) from None


#: A field of a pydantic model; its text says the offset from UTC.
Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
