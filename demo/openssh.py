"""OpenSSH's own server, where it is installed: the configuration and command for our hosts."""

import os
import pwd
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
#: A program of its own: the forced command, which every session is, can start it.
SFTP = next(
    filter(os.path.exists, ["/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server"]),
    "internal-sftp",
)
#: It takes no more listen addresses per process.
ADDRESSES_PER_SSHD = 16
NO_SHELLS = {"nologin", "false"}

CONFIG = """
AuthorizedKeysFile "{key}"
ForceCommand {login}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UseDNS no
MaxStartups 4096:100:4096
MaxSessions 200
MaxAuthTries 20
PrintMotd no
PrintLastLog no
AllowAgentForwarding no
X11Forwarding no
AllowTcpForwarding yes
LogLevel INFO
# With this, bash does not read the .bashrc of whoever runs us; the hosts have their own.
SetEnv SHLVL=2
PidFile none
Subsystem sftp {sftp}
"""


def usable() -> bool:
    """Is it installed, and can the user that we are log in to it?"""
    try:
        shell = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        return False
    return SSHD is not None and Path(shell).name not in NO_SHELLS


def config(*, authorized_key: Path, login: Path, more: str = "") -> str:
    """The text of sshd_config. ``more``: further lines; they win over ours."""
    text = CONFIG.format(key=authorized_key, login=shlex.quote(str(login)), sftp=SFTP)
    return more + text + _newer_settings()


def command(config: Path, *, host_key: Path, log: Path, listen: Sequence[str]) -> list[str]:
    """``listen``: ``address:port`` of every host that this process serves."""
    assert SSHD is not None
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    addresses = [f"-oListenAddress={address}" for address in listen]
    return [SSHD, "-D", "-f", str(config), "-E", str(log), "-h", str(host_key), *addresses]


def _newer_settings() -> str:
    """Settings that only newer versions know, and stop at otherwise."""
    assert SSHD is not None
    said = subprocess.run([SSHD, "-V"], capture_output=True, text=True, check=False, timeout=10)
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", said.stderr)
    newer = version and (int(version[1]), int(version[2])) >= (9, 8)
    return "PerSourcePenalties no\n" if newer else ""
