"""What a host answers while it is followed, piece by piece as it comes."""

from types import SimpleNamespace
from typing import Any, cast

from deploy_tasks.frames import HostSum, Position, RunnerReport
from deploy_tasks.runner.following import Follower
from deploy_tasks.wishes import Wish


class Stderr:
    """A channel on which that comes, one after the other."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read_stderr(self) -> bytes:
        return self._pieces.pop(0)


def test_of_an_answer_that_comes_in_two_parts_nothing_is_lost() -> None:
    plan = SimpleNamespace(nonce="n0", position=Position(), sent=True)
    story = SimpleNamespace(carriage=None)
    follower = Follower(
        cast(Any, plan),
        cast(Any, story),
        cast(Any, None),
        wish=lambda: Wish.NONE,
        told_wish=Wish.NONE,
    )
    host = cast(Any, Stderr(b"oops\n\x1en0 R alive 12.5\n\x1en0 C ", b"4711 23\n"))
    assert follower._answers(host) == [RunnerReport("alive", 12.5)]
    assert follower._answers(host) == [HostSum(4711, 23)]
