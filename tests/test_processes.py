"""Which processes serve the connections of an sshd."""

import pytest

from demo import processes


def test_connections_are_found_also_where_ids_began_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        32000: (1, "sshd"),
        400: (32000, "sshd"),  # begun after the last id there is
        300: (400, "sshd"),
        301: (300, "sh"),
        32100: (32000, "sshd-session"),
        500: (1, "sshd"),
    }
    monkeypatch.setattr(processes, "running", lambda: iter(table))
    monkeypatch.setattr(processes, "_parent_and_name", table.__getitem__)
    assert processes.connections(32000) == [300, 400, 32100]
