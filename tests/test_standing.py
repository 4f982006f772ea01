"""What of a host run stands, and whether players feel it."""

import pytest

from deploy_tasks import clock
from deploy_tasks.models import Attempt
from deploy_tasks.standing import is_felt


def tried(said: str) -> list[Attempt]:
    """``2 lost -1 failed``: of a step, or of its undo, how it ended."""
    words = said.split()
    return [
        Attempt(
            step=abs(int(n)),
            kind="undo" if n.startswith("-") else "do",
            state=state,
            started_at=clock.now(),
        )
        for n, state in zip(words[::2], words[1::2], strict=True)
    ]


@pytest.mark.parametrize(
    ("said", "felt"),
    [
        ("1 succeeded", False),
        ("1 succeeded 2 failed", True),
        ("1 succeeded 2 lost", True),
        ("1 succeeded 2 abandoned", False),
        ("2 succeeded 3 succeeded -2 succeeded", False),  # 3 has nothing to take back
        ("2 succeeded 3 succeeded -3 succeeded -2 failed", True),
        ("2 succeeded 3 succeeded -3 succeeded -2 succeeded -1 failed", False),
        ("2 succeeded -2 succeeded 1 failed", False),
        ("2 succeeded -2 succeeded 2 failed", True),
    ],
)
def test_players_feel_what_was_not_taken_back(said: str, felt: bool) -> None:
    assert is_felt(tried(said), {2, 3}) == felt
