"""Small machines: dropbear as the SSH server, busybox behind it, and nothing else. No SFTP."""

import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.fleet import Fleet

DROPBEAR = shutil.which("dropbear", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# dropbear reads the keys of the account's own home; in here, that is another directory.
INSIDE = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


class Dropbears(Fleet):
    """One dropbear for all hosts. It lets five at a time knock from one address, and hangs up on
    the others."""

    def __init__(self, directory: Path, count: int) -> None:
        super().__init__(directory, count, with_openssh=False)
        self._account = pwd.getpwuid(os.getuid())
        self.user = self._account.pw_name

    def _prepare(self) -> None:
        super()._prepare()
        programs, keys = self.directory / "bin", self.directory / "account/.ssh"
        programs.mkdir()
        subprocess.run(["busybox", "--install", "-s", programs], check=True)
        first, rest = self._login.read_text().split("\n", 1)
        assert first == "#!/bin/sh"
        path = shlex.quote(str(programs))
        self._login.write_text(f"#!{programs}/sh\nPATH={path}\nexport PATH\n{rest}")
        keys.mkdir(parents=True, mode=0o700)
        shutil.copy(self.directory / "client_key.pub", keys / "authorized_keys")
        key = self._host_key_file(0)
        convert = ["dropbearconvert", "openssh", "dropbear", key, f"{key}.dropbear"]
        subprocess.run(convert, check=True, capture_output=True)

    def _server(self, group: int, listen: list[str]) -> list[str]:
        assert DROPBEAR
        inside = ["unshare", "-m", "sh", "-c", INSIDE, "sh"]
        binds = [str(self.directory / "account"), self._account.pw_dir]
        words = [DROPBEAR, "-F", "-E", "-s", "-r", f"{self._host_key_file(group)}.dropbear"]
        places = [word for place in listen for word in ("-p", place)]
        return [*inside, *binds, *words, "-P", "", "-c", str(self._login), *places]


def dropbears(directory: Path, count: int) -> Iterator[Dropbears]:
    """The body of a fixture."""
    if DROPBEAR is None or not shutil.which("busybox"):
        pytest.skip("dropbear or busybox is not installed (Debian: dropbear-bin, busybox)")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a mount namespace of its own (root)")
    with Dropbears(directory, count) as fleet:
        yield fleet
