r"""What a host printed, as text that nothing obeys: ESC becomes ``\x1b``, a bidi override
``\u202e``. For downloads, logs, and the host's own words in one of our sentences."""

import codecs
import re
from collections.abc import Iterable, Iterator

from deploy_tasks.masking import Mask

NO_SECRETS = Mask(())

#: C0 and C1 controls, and the invisible characters that turn or hide what stands beside them.
_OBEYED = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def visible(pieces: Iterable[bytes]) -> Iterator[str]:
    """Line ends and tabs stay; what is not UTF-8 is replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield spelled(decoder.decode(piece))
    yield spelled(decoder.decode(b"", final=True))


def spelled(text: str) -> str:
    return _OBEYED.sub(_named, text)


def words(output: bytes, mask: Mask = NO_SECRETS) -> str:
    """Without what the host was told in secret, and white space around it."""
    pieces = mask.pieces(output.strip(), last=True)
    return "".join(visible(piece.output for piece in pieces)).strip()


def _named(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
