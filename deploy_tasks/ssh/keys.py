"""SSH keys as text: what we log in with, and what a host shows."""

import base64
import binascii
import hashlib
import io
from functools import lru_cache

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
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
    digest = hashlib.sha256(blob(key)).digest()
    return "SHA256:" + base64.b64encode(digest).rstrip(b"=").decode()


def public_half(private_key: str) -> str:
    """``type base64`` of a private key's public half. Raises InvalidInput with a remedy."""
    return public_text(parse_private_key(private_key))


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
def parse_private_key(text: str) -> paramiko.PKey:
    """Read an OpenSSH or PEM private key. Raises InvalidInput with a remedy."""
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
        loaded = load(data, password=None)
    except TypeError:
        raise InvalidInput(
            _("the private key has a passphrase; remove it from a copy with: ssh-keygen -p -f COPY")
        ) from None
    except (ValueError, UnsupportedAlgorithm):
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
