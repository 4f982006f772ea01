"""SSH keys as text: what we log in with, and what a host shows."""

import base64
import binascii
import hashlib
import io
import re
from datetime import UTC, datetime
from functools import lru_cache

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType
from django.utils.translation import gettext as _

from deploy_tasks.errors import InvalidInput

#: Signature algorithms by the type of the key that makes them, those we prefer first.
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}


def fingerprint(key: str) -> str:
    """``SHA256:…`` of a public key given as ``type base64``, as ``ssh-keygen -l`` prints it."""
    return hash_of(blob(key))


def hash_of(data: bytes) -> str:
    """``SHA256:…`` of a public key's own bytes."""
    digest = hashlib.sha256(data).digest()
    return "SHA256:" + base64.b64encode(digest).rstrip(b"=").decode()


def is_supported(kind: str) -> bool:
    """Whether hosts may have keys of this type."""
    return kind in ALGORITHMS


def is_fingerprint(text: str) -> bool:
    return re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", text) is not None


def public_half(private_key: str, passphrase: str = "") -> str:
    """``type base64`` of a private key's public half. Raises InvalidInput with a remedy."""
    return public_text(parse_private_key(private_key, passphrase))


def public_text(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def blob(key: str) -> bytes:
    """The bytes of a public key given as ``type base64 [comment]``."""
    try:
        kind, text = key.split()[:2]
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise InvalidInput(_("not a public key of the form “ssh-ed25519 AAAA…”")) from None
    if kind not in ALGORITHMS:
        raise InvalidInput(_("keys of type “%s” are not supported") % kind[:64])
    if not data.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise InvalidInput(_("the key's base64 part does not hold a key of type “%s”") % kind)
    return data


# Parsing costs about as much as the rest of a handshake, and a fleet shares few keys.
@lru_cache(maxsize=64)
def parse_private_key(text: str, passphrase: str = "") -> paramiko.PKey:
    """Read an OpenSSH or PEM private key. Raises InvalidInput with a remedy."""
    return _parsed(text, passphrase)


@lru_cache(maxsize=64)
def certified_key(text: str, passphrase: str, certificate: str) -> paramiko.PKey:
    """A private key that shows an OpenSSH certificate of its own. Raises InvalidInput."""
    key = _parsed(text, passphrase)
    read_certificate(certificate, of=public_text(key))
    key.load_certificate(certificate)
    return key


def read_certificate(text: str, *, of: str = "") -> SSHCertificate:
    """A user certificate, as ``ssh-keygen -s`` writes it. ``of``: the public key that it must be
    for, ``type base64``. Raises InvalidInput."""
    try:
        found = serialization.load_ssh_public_identity(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(_("this is not an OpenSSH certificate; give the file KEY-cert.pub"))
    if not isinstance(found, SSHCertificate) or found.type is not SSHCertificateType.USER:
        raise InvalidInput(_("this is no certificate of a user; sign with: ssh-keygen -s CA -n …"))
    plain = found.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    if of and plain.decode() != of:
        raise InvalidInput(_("the certificate is for another key than this one"))
    return found


def ends_at(certificate: str) -> datetime | None:
    """When a certificate ends; None: never."""
    try:
        return datetime.fromtimestamp(read_certificate(certificate).valid_before, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _parsed(text: str, passphrase: str) -> paramiko.PKey:
    data = text.replace("\r\n", "\n").strip().encode() + b"\n"
    if data.startswith(b"PuTTY-User-Key-File"):
        raise InvalidInput(
            _("this is a PuTTY key; convert it with: puttygen KEY -O private-openssh -o NEW")
        )
    if b"PRIVATE KEY-----" not in data:
        raise InvalidInput(
            _("this is not a private key; give the file that begins with “-----BEGIN”")
        )
    load = serialization.load_pem_private_key
    if b"BEGIN OPENSSH" in data:
        load = serialization.load_ssh_private_key
    try:
        loaded = load(data, password=passphrase.encode() or None)
    except TypeError:
        if passphrase:
            raise InvalidInput(_("the private key has no passphrase; leave it out")) from None
        raise InvalidInput(_("the private key has a passphrase; give it as well")) from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            raise InvalidInput(
                _("the private key cannot be read; is the passphrase right, the file complete?")
            ) from None
        raise InvalidInput(_("the private key cannot be read; is the file complete?")) from None
    openssh = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return _key_class(loaded).from_private_key(io.StringIO(openssh.decode()))


def _key_class(loaded: object) -> type[paramiko.PKey]:
    if isinstance(loaded, Ed25519PrivateKey):
        return paramiko.Ed25519Key
    if isinstance(loaded, EllipticCurvePrivateKey):
        return paramiko.ECDSAKey
    if isinstance(loaded, RSAPrivateKey):
        return paramiko.RSAKey
    raise InvalidInput(
        _("private keys of this type are not supported; make one with: ssh-keygen -t ed25519")
    )
