"""Homes on small disks of their own, which are full but for so many blocks, or files."""

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

Kind = Literal["tmpfs", "ext4"]
#: Bytes.
BLOCK = 4096
SIZE = 2 << 20
#: Of <linux/ext4.h>.
EXT4_IOC_SHUTDOWN = 0x8004587D


@dataclass
class Disk:
    """Of one host's home."""

    home: Path

    def leave_blocks(self, count: int) -> None:
        """Fill it up to ``count`` blocks."""
        with (self.home / "filler").open("ab", buffering=0) as file:
            while (more := os.statvfs(self.home).f_bavail - count) > 0:
                # What notes the blocks of a file takes some itself.
                file.write(bytes(min(more, 8) * BLOCK))
                os.fsync(file.fileno())

    def leave_files(self, count: int) -> None:
        """Use its inodes up to ``count``; there is room for bytes."""
        many = self.home / "many"
        many.mkdir()
        for number in range(os.statvfs(self.home).f_favail - count):
            (many / str(number)).touch()

    def fail(self) -> None:
        """From here on whatever is asked of it is an error, also of what was open; what was written
        before is on it. Of ext4."""
        handle = os.open(self.home, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", 0))
        finally:
            os.close(handle)

    def make_room(self) -> None:
        subprocess.run(["rm", "-rf", self.home / "filler", self.home / "many"], check=True)


@contextlib.contextmanager
def mounted(homes: Sequence[Path], kind: Kind) -> Iterator[list[Disk]]:
    """Mounts a disk of `SIZE` with 128 inodes over each home, and takes them away again. From a
    tmpfs no program may be started, either."""
    if os.geteuid() != 0:
        pytest.skip("needs to mount small disks (root)")
    with contextlib.ExitStack() as stack:
        for home in homes:
            _mount(home, kind)
            stack.callback(subprocess.run, ["umount", "-l", str(home)], check=True)
        yield [Disk(home) for home in homes]


def _mount(home: Path, kind: Kind) -> None:
    what = ["-t", "tmpfs", "-o", f"size={SIZE},nr_inodes=128,noexec", "none"]
    if kind == "ext4":
        image = home.with_name(f"{home.name}.img")
        image.touch()
        os.truncate(image, SIZE)
        words = ["-q", "-F", "-b", str(BLOCK), "-N", "128", "-m", "0", "-O", "^has_journal"]
        subprocess.run(["mkfs.ext4", *words, str(image)], check=True, capture_output=True)
        what = ["-o", "loop", str(image)]
    mount = ["mount", *what, str(home)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"cannot mount a small disk here ({kind})")
