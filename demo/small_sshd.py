"""An SSH server in Python, for machines on which OpenSSH's is not installed.

``python -m demo.small_sshd LOGIN HOST_KEY AUTHORIZED_KEY ADDRESS:PORT …``: whoever has the
authorized key may run commands, each by ``LOGIN`` as OpenSSH would run its forced command, and
bring files by SFTP to the home of the address that was called: of that name in ``homes`` beside it.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

CHUNK = 65_536


async def serve(login: str, host_key: str, authorized_key: str, *listen: str) -> None:
    async def run(client: "asyncssh.SSHServerProcess[bytes]") -> None:
        """One command: its streams are the channel's, its exit status too."""
        command = await asyncio.create_subprocess_exec(
            *("/bin/sh", login),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | _asked(client),
            start_new_session=True,
        )
        feeding = asyncio.create_task(_feed(client.stdin, command.stdin))
        # Until both are closed by all who hold them, as OpenSSH does it.
        await asyncio.gather(
            _copy(command.stdout, client.stdout), _copy(command.stderr, client.stderr)
        )
        client.exit(await command.wait())
        feeding.cancel()

    def files(channel: "asyncssh.SSHServerChannel[bytes]") -> asyncssh.SFTPServer:
        home = Path(login).parent / "homes" / channel.get_extra_info("sockname")[0]
        return asyncssh.SFTPServer(channel, chroot=os.fsencode(home))

    for address in listen:
        host, _, port = address.rpartition(":")
        await asyncssh.listen(
            host,
            int(port),
            server_host_keys=[host_key],
            authorized_client_keys=authorized_key,
            process_factory=run,
            sftp_factory=files,
            encoding=None,
            allow_pty=False,
            agent_forwarding=False,
        )
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    await told_to_stop.wait()


def _asked(client: "asyncssh.SSHServerProcess[bytes]") -> dict[str, str]:
    """What OpenSSH tells a forced command about its caller."""
    ends = [client.get_extra_info(end)[:2] for end in ("peername", "sockname")]
    return {
        "SSH_CONNECTION": " ".join(str(word) for end in ends for word in end),
        "SSH_ORIGINAL_COMMAND": client.command or "",
    }


async def _feed(source: Any, sink: Any) -> None:
    with suppress(OSError, asyncssh.Error):  # the command ended without reading all
        await _copy(source, sink)
    sink.close()


async def _copy(source: Any, sink: Any) -> None:
    while data := await source.read(CHUNK):
        sink.write(data)
        await sink.drain()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
