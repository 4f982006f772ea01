"""The key exchange: which algorithms we take, and the key that a host has proven to have."""

import base64
import threading
from dataclasses import dataclass

import paramiko
from django.utils.translation import gettext as _
from paramiko.ssh_exception import IncompatiblePeer

from deploy_tasks.errors import ConnectFailed
from deploy_tasks.ssh.channel import WINDOW
from deploy_tasks.ssh.keys import public_text
from deploy_tasks.ssh.target import Limits
from deploy_tasks.ssh.transport import Transport
from deploy_tasks.ssh.wire import Wire
from deploy_tasks.visible import spelled

# The fastest first; the others are for other hosts. No CBC, no SHA-1, no MD5.
# As strong as curve25519, which OpenSSH's server computes by portable C: 2 ms of it for each host.
KEX = (
    "ecdh-sha2-nistp256",
    "curve25519-sha256@libssh.org",
    "mlkem768x25519-sha256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)


@dataclass(frozen=True)
class Shown:
    """The host's own key, and the certificate that it came in; each ``type base64``."""

    key: str
    certificate: str = ""


class NoSuchHostKey(Exception):
    """The host has no key of the types we asked for."""


def exchange_keys(
    wire: Wire, algorithms: tuple[str, ...], limits: Limits
) -> tuple[Transport, Shown]:
    """Banner and key exchange. The host has proven that the key it showed is its own."""
    transport = Transport(wire, window=WINDOW)
    options = transport.get_security_options()
    options.kex = tuple(name for name in KEX if name in options.kex)
    options.ciphers, options.digests = CIPHERS, MACS
    options.key_types = algorithms
    done = threading.Event()
    transport.start_client(event=done)
    try:
        if not transport.packetizer.banner_over.wait(limits.banner):
            raise ConnectFailed(_("no SSH banner within %g s") % limits.banner)
        if not done.wait(limits.kex):
            raise ConnectFailed(_("key exchange did not end within %g s") % limits.kex)
        if not transport.initial_kex_done or transport.host_key is None:
            raise _broken(transport, wire)
    except BaseException:
        transport.close()
        raise
    return transport, _shown(transport.host_key)


def _shown(key: paramiko.PKey) -> Shown:
    certificate = key.public_blob
    if certificate is None:
        return Shown(public_text(key))
    text = base64.b64encode(certificate.key_blob).decode()
    return Shown(public_text(key), f"{certificate.key_type} {text}")


def _broken(transport: paramiko.Transport, wire: Wire) -> Exception:
    error = transport.get_exception()
    if isinstance(error, IncompatiblePeer):
        if "host key" in str(error):
            return NoSuchHostKey()
        return ConnectFailed(_("incompatible host: %s") % str(error).partition("(")[2].rstrip(")"))
    failure = _ended_early(error, wire)
    failure.__cause__ = wire.error
    return failure


def _ended_early(error: Exception | None, wire: Wire) -> ConnectFailed:
    if wire.greeting is not None:
        said = wire.greeting.decode(errors="replace").strip().partition("\n")[0][:200]
        printable = "".join(char for char in said if char.isprintable())
        if printable:
            return ConnectFailed(_("no SSH banner, but the host says “%s”") % printable)
        return ConnectFailed(_("host closed the connection before its SSH banner"))
    if error is None or isinstance(error, EOFError | OSError):
        return ConnectFailed(_("host closed the connection during the key exchange"))
    return ConnectFailed(_("key exchange failed: %s") % spelled(str(error))[:200])
