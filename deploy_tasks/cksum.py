"""The checksum of POSIX ``cksum``, as it runs: any host can compute it over its own log.

It is CRC-32 with the most significant bit first. zlib's is the same with the bits of each byte,
and of the result, in reverse; so zlib does the work on reversed bytes.
"""

import zlib

#: Of no bytes at all. What is kept between pieces is zlib's own running value.
EMPTY = 0xFFFFFFFF

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def add(running: int, data: bytes) -> int:
    """The running value after ``data``."""
    return zlib.crc32(data.translate(_REVERSED), running)


def total(running: int, length: int) -> int:
    """What ``cksum`` prints for ``length`` bytes in all."""
    size = length.to_bytes((length.bit_length() + 7) // 8, "little")
    register = add(running, size) ^ EMPTY
    return int(f"{register:032b}"[::-1], 2) ^ EMPTY
