"""Reads a plan's log: the output of its scripts, framed by records of the runner.

A record is ``\\036<nonce> <letter> …\\n``. The nonce is known to the runner and to us alone, and
only the next legal record is taken for one: a script that prints an old record prints text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

#: No record is longer; bytes held back while waiting for the end of one never exceed this.
LONGEST = 160


@dataclass(frozen=True)
class Header:
    """The answer to a program: ``word`` says what was found, ``uptime`` is the host's, in s."""

    word: str
    uptime: float


@dataclass(frozen=True)
class Started:
    number: int
    uptime: float


@dataclass(frozen=True)
class Output:
    """Bytes of script ``number``; ``offset`` counts within that script's own output."""

    number: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Ended:
    """``note`` is ``-``, ``skipped`` (its work was there), ``timeout`` or ``cancelled``."""

    number: int
    status: int
    uptime: float
    note: str


@dataclass(frozen=True)
class Finished:
    """The runner is through: ``done``, ``failed``, ``cancelled`` or ``abandoned``."""

    why: str


@dataclass(frozen=True)
class RunnerReport:
    """How the runner is, asked while following.

    ``starting``, ``alive``, ``orphan`` (it is dead, its script lives), ``dead`` or ``rebooted``.
    When it is gone, ``size`` is the log's, and ``slots`` are the starts and ends that it noted,
    each the words of a record: ``("S", "3", …)``; a ``("W",)`` where it could not note them.
    """

    word: str
    uptime: float
    size: int = 0
    slots: tuple[tuple[str, ...], ...] = ()

    @property
    def could_note(self) -> bool:
        """Whether its files can be written to."""
        return ("W",) not in self.slots


@dataclass(frozen=True)
class HostSum:
    """The host's own ``cksum`` of ``size`` bytes of the log; None where it has no cksum."""

    cksum: int | None
    size: int


Frame = Started | Output | Ended | Finished


@dataclass
class Position:
    """How far a log has been read: all that is needed to go on from there.

    ``offset`` counts bytes of the log, ``number`` is the script read last, ``live`` whether it
    is still open, ``output`` the bytes of its own output.
    """

    offset: int = 0
    number: int = 0
    live: bool = False
    output: int = 0


class LogReader:
    """Turns bytes of the log into frames. ``position`` is always a place to go on from.

    ``consumed`` are the bytes of the log that the last `feed` moved it by. ``wanted``: the host
    has asked for the artifact, and answers when it has it.
    """

    def __init__(self, nonce: str, position: Position) -> None:
        self.position = position
        self.header: Header | None = None
        self.wanted = False
        self.finished = False
        self.consumed = b""
        self._mark = f"\x1e{nonce} ".encode()
        self._held = b""

    def feed(self, data: bytes) -> list[Frame]:
        buffer = self._held + data
        self._held = b""
        if self.header is None:
            buffer = self._read_header(buffer)
        if self.header is None:
            return []
        began = self.position.offset
        found = list(self._frames(buffer))
        self.consumed = buffer[: self.position.offset - began]
        return found

    def rest(self) -> list[Frame]:
        """What was held back as the possible beginning of a record, when nothing follows."""
        self.consumed, self._held = self._held, b""
        return list(self._output(self.consumed))

    @property
    def received(self) -> int:
        """Bytes of the log that came, also those that are held back."""
        return self.position.offset + len(self._held)

    def recall(self, slots: Iterable[Sequence[str]]) -> list[Frame]:
        """Starts and ends that the runner noted and that did not come into the log."""
        return [frame for words in slots if (frame := self._record(words))]

    def _read_header(self, buffer: bytes) -> bytes:
        # Before the header there may be anything: a banner, noise of the log-in shell.
        begin = buffer.find(self._mark)
        end = buffer.find(b"\n", begin) if begin >= 0 else -1
        if end < 0:
            self._held = buffer[begin:] if begin >= 0 else buffer[-LONGEST:]
            return b""
        _, word, uptime = buffer[begin + len(self._mark) : end].split()[:3]
        if word == b"wanted":
            self.wanted = True
            return self._read_header(buffer[end + 1 :])
        self.header = Header(word.decode(), float(uptime))
        return buffer[end + 1 :]

    def _frames(self, buffer: bytes) -> Iterator[Frame]:
        at = 0
        while at < len(buffer) and not self.finished:
            begin = buffer.find(self._mark, at)
            if begin < 0:
                begin = self._possible_mark(buffer, at)
                yield from self._output(buffer[at:begin])
                self._held = buffer[begin:]
                return
            yield from self._output(buffer[at:begin])
            at = begin
            end = buffer.find(b"\n", begin, begin + LONGEST)
            if end < 0 and len(buffer) - begin < LONGEST:
                self._held = buffer[begin:]
                return
            words = buffer[begin + len(self._mark) : max(end, begin)].decode("ascii", "replace")
            frame = self._record(words.split()) if end >= 0 else None
            if frame is None:
                # Somebody printed an old record, or the beginning of one: it is just text. A true
                # one may follow on its line.
                at = begin + 1
                yield from self._output(buffer[begin:at])
                continue
            self.position.offset += end + 1 - begin
            at = end + 1
            yield frame

    def _possible_mark(self, buffer: bytes, start: int) -> int:
        """Where the beginning of a mark stands at the buffer's end, or the end."""
        begin = buffer.rfind(b"\x1e", max(start, len(buffer) - len(self._mark) + 1))
        return begin if begin >= 0 and self._mark.startswith(buffer[begin:]) else len(buffer)

    def _record(self, words: Sequence[str]) -> Frame | None:
        try:
            return self._legal(words)
        except (ValueError, IndexError):
            return None

    def _legal(self, words: Sequence[str]) -> Frame | None:
        where = self.position
        if words[0] == "S" and not where.live and int(words[1]) == where.number + 1:
            frame = Started(int(words[1]), float(words[2]))
            where.number, where.live, where.output = frame.number, True, 0
            return frame
        if words[0] == "E" and where.live and int(words[1]) == where.number:
            ended = Ended(where.number, int(words[2]), float(words[3]), words[4])
            where.live = False
            return ended
        if words[0] == "Z" and not where.live:
            self.finished = True
            return Finished(words[1])
        return None

    def _output(self, data: bytes) -> Iterator[Frame]:
        if not data:
            return
        where = self.position
        where.offset += len(data)
        # Between two scripts nobody speaks but a daemon left behind by one; it has no step.
        if where.live:
            yield Output(where.number, where.output, data)
            where.output += len(data)


def answers(nonce: str, text: bytes) -> list[RunnerReport | HostSum]:
    """Every whole answer in what came on standard error; the rest is noise."""
    found: list[RunnerReport | HostSum] = []
    for line in text.decode("utf-8", "replace").split("\n")[:-1]:
        letter, *words = line.partition(f"\x1e{nonce} ")[2].split() or [""]
        if letter == "R" and len(words) >= 2:
            size = int(words[2]) if len(words) > 2 else 0
            slots = tuple(tuple(slot.split(",")) for slot in words[3:])
            found.append(RunnerReport(words[0], float(words[1]), size, slots))
        if letter == "C" and len(words) == 2:
            found.append(HostSum(None if words[0] == "-" else int(words[0]), int(words[1])))
    return found


def is_well(nonce: str, text: bytes) -> bool:
    """Whether that is one answer and nothing else, and the runner lives."""
    return text.startswith(f"\x1e{nonce} R alive ".encode()) and text.find(b"\n") == len(text) - 1
