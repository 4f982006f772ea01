"""What is read from a plan's log is what its runner wrote, whatever its scripts print."""

from deploy_tasks.frames import (
    Ended,
    Finished,
    Frame,
    LogReader,
    Output,
    Position,
    Started,
    is_well,
)

MARK = b"\x1en0123"


def reader() -> LogReader:
    made = LogReader("n0123", Position())
    assert made.feed(b"welcome\n" + MARK + b" H launched 1.5\n") == []
    return made


def text(found: list[Frame]) -> bytes:
    return b"".join(frame.data for frame in found if isinstance(frame, Output))


def test_a_log_is_read_the_same_in_any_pieces() -> None:
    log = (
        MARK
        + b" S 1 2.0\n\x1e\x1en01 no\x00 \xff\n"
        + MARK
        + b" E 1 0 3.0 -\n"
        + MARK
        + b" Z done\n"
    )
    for size in range(1, len(log) + 1):
        one = reader()
        found = [f for at in range(0, len(log), size) for f in one.feed(log[at : at + size])]
        assert text(found) == b"\x1e\x1en01 no\x00 \xff\n"
        others = [frame for frame in found if not isinstance(frame, Output)]
        assert others == [Started(1, 2.0), Ended(1, 0, 3.0, "-"), Finished("done")]


def test_the_beginning_of_a_record_does_not_hide_a_true_one_on_its_line() -> None:
    found = reader().feed(MARK + b" S 1 2.0\n" + MARK + b" S 1" + MARK + b" E 1 7 3.0 -\n")
    assert text(found) == MARK + b" S 1"
    assert found[-1] == Ended(1, 7, 3.0, "-")


def test_what_was_held_back_is_given_out_when_nothing_follows() -> None:
    one = reader()
    assert text(one.feed(MARK + b" S 1 2.0\nlast words\x1en0")) == b"last words"
    assert one.received == one.position.offset + 3
    assert text(one.rest()) == b"\x1en0"
    assert one.received == one.position.offset


def test_what_a_runner_noted_itself_completes_a_log_that_broke_off() -> None:
    one = reader()
    one.feed(MARK + b" S 1 2.0\nso far")
    slots = [("S", "1", "2.0"), ("E", "1", "0", "3.0", "-"), ("S", "2", "3.1")]
    assert one.recall(slots) == [Ended(1, 0, 3.0, "-"), Started(2, 3.1)]
    assert one.recall(slots) == []


def test_only_a_runner_that_lives_is_well() -> None:
    alive = MARK + b" R alive 12.50\n"
    assert is_well("n0123", alive)
    for other in (
        b"",
        b"complaint\n" + alive,
        alive + b"complaint\n",
        alive[:-1],
        alive.replace(b"alive", b"writing"),
        alive.replace(b"n0123", b"n4567"),
    ):
        assert not is_well("n0123", other)
