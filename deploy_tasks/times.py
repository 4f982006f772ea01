"""How a moment is written for programs: ISO 8601, UTC, milliseconds."""

from datetime import UTC, datetime


def iso(at: datetime) -> str:
    """``2026-01-31T23:59:59.123Z``"""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
