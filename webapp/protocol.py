"""The frames of the stream ``patchwave.v1``: JSON text, both ways. Plain values, no socket."""

import json
from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from deploy_tasks.events import Item

SUBPROTOCOL = "patchwave.v1"
#: No frame is larger, in bytes; the largest item (8 KiB of control characters) fits.
MAX_FRAME = 64 * 1024
#: Where a batch is cut, with room for what stands around its items. Each frame costs both sides the
#: same, whatever its size; also a slow line gets through one well within SILENCE.
BATCH = MAX_FRAME - 1024
#: Bytes sent and not yet acknowledged, per watcher.
WINDOW = 256 * 1024
#: Characters of a frame from a client, and the hosts it may name: who wants more wants all.
MAX_INCOMING = 64 * 1024
MAX_HOSTS = 1000


class Close(IntEnum):
    END = 1000
    ERROR = 1011
    RESTARTING = 4000
    TOO_SLOW = 4008
    TOO_MANY = 4029
    BAD_FRAME = 4400
    LOG_IN = 4401
    NOT_ALLOWED = 4403
    NO_SUCH_JOB = 4404


class BadFrame(Exception):
    """What came is no frame of this protocol."""


class _Frame(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


Seq = Annotated[int, Field(ge=0, lt=2**63)]
Output = (
    Literal["all", "none"]
    | Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MAX_HOSTS)]
)


class Hello(_Frame):
    after: Seq = 0
    output: Output = "all"
    stay: bool = False


class Watch(_Frame):
    output: Output


class Ack(_Frame):
    seq: Seq


class Ping(_Frame):
    pass


FRAMES: dict[str, type[Hello | Watch | Ack | Ping]] = {
    "hello": Hello,
    "watch": Watch,
    "ack": Ack,
    "ping": Ping,
}


def parse(text: str | None) -> Hello | Watch | Ack | Ping | None:
    """What a client says; None for a frame of a later version. Raises BadFrame."""
    if text is None or len(text) > MAX_INCOMING:
        raise BadFrame
    try:
        fields = from_json(text)
    except ValueError:
        raise BadFrame from None
    if not isinstance(fields, dict) or not isinstance(fields.get("t"), str):
        raise BadFrame
    frame = FRAMES.get(fields["t"])
    if frame is None:
        return None
    try:
        return frame.model_validate(fields)
    except ValidationError:
        raise BadFrame from None


def hosts_of(output: Output) -> frozenset[str] | None:
    """The hosts whose output is wanted; None: of all."""
    if output == "all":
        return None
    return frozenset() if output == "none" else frozenset(output)


def say(t: str, **fields: Any) -> str:
    return json.dumps({"t": t, **fields}, separators=(",", ":"))


class Batch(NamedTuple):
    to: int
    text: str
    #: Bytes of ``text``.
    size: int


def batches(
    items: Iterable[Item], *, after: int, to: int, hosts: Collection[str] | None
) -> Iterator[Batch]:
    """Frames that cover ``after`` < seq <= ``to`` without a hole; the filter leaves output out."""
    texts: list[str] = []
    size = 0
    for item in items:
        if hosts is not None and item.output_of is not None and item.output_of not in hosts:
            continue
        if texts and size + item.size > BATCH:
            yield _batch(after, item.seq - 1, texts, size)
            after, texts, size = item.seq - 1, [], 0
        texts.append(item.text)
        size += item.size
    yield _batch(after, to, texts, size)


def _batch(after: int, to: int, texts: list[str], size: int) -> Batch:
    head = f'{{"t":"batch","from":{after + 1},"to":{to},"items":['
    return Batch(to, f"{head}{','.join(texts)}]}}", len(head) + size + 2)
