"""Host certificates: a host key that an authority has signed, for which names and until when.

Read as OpenSSH's client reads them, with two rules more: one that names no host at all, and RSA
keys under 2048 bits, are not believed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType
from django.utils.translation import gettext as _

from deploy_tasks import known_hosts
from deploy_tasks.errors import InvalidInput
from deploy_tasks.ssh.keys import ALGORITHMS, fingerprint
from deploy_tasks.times import iso

SUFFIX = "-cert-v01@openssh.com"
#: The algorithms by which a host shows a certificate, those we prefer first.
CERTIFIED = tuple(name + SUFFIX for names in ALGORITHMS.values() for name in names)
#: Bits.
SMALLEST_RSA = 2048


@dataclass(frozen=True)
class Vouched:
    """A host key (``type base64``), and the fingerprint of the authority that vouches for it."""

    key: str
    authority: str


def read(
    certificate: str,
    *,
    authorities: Collection[str],
    revoked: Collection[str],
    names: Collection[str],
    now: datetime | None = None,
) -> Vouched:
    """What a certificate (``type base64``) vouches for. ``authorities`` and ``revoked`` are keys,
    ``type base64``; one of the ``names`` must be among those it is for.

    Raises InvalidInput with the reason why it is not believed.
    """
    found = _parsed(certificate)
    authority = _text(found.signature_key())
    if found.type is not SSHCertificateType.HOST:
        raise InvalidInput(_("its certificate is one of a user, not of a host"))
    if authority not in authorities:
        raise InvalidInput(
            _("its certificate is of another authority: %s") % fingerprint(authority)
        )
    if authority in revoked:
        raise InvalidInput(_("the authority of its certificate is revoked"))
    if not _is_signed(found):
        raise InvalidInput(_("the signature of its certificate is not right"))
    _require_valid(found, now or datetime.now(UTC))
    _require_named(found, names)
    if found.critical_options:
        raise InvalidInput(_("its certificate has conditions that are not known here"))
    if (key := _text(found.public_key())) in revoked:
        raise InvalidInput(_("the key in its certificate is revoked: %s") % fingerprint(key))
    return Vouched(key, fingerprint(authority))


def _parsed(certificate: str) -> SSHCertificate:
    try:
        found = serialization.load_ssh_public_identity(certificate.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(_("its certificate cannot be read")) from None
    if not isinstance(found, SSHCertificate):
        raise InvalidInput(_("its certificate cannot be read"))
    return found


def _text(key: object) -> str:
    """``type base64`` of a public key. Raises InvalidInput for one that is too weak."""
    if isinstance(key, RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise InvalidInput(_("its certificate rests on an RSA key under %d bits") % SMALLEST_RSA)
    written: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return written.decode()


def _is_signed(found: SSHCertificate) -> bool:
    # An RSA key can sign with SHA-1 as well: the name of its type is the name of that.
    if bytes(found._inner_sig_type) == b"ssh-rsa":
        return False
    try:
        found.verify_cert_signature()
    except (InvalidSignature, ValueError, AssertionError):
        return False
    return True


def _require_valid(found: SSHCertificate, now: datetime) -> None:
    seconds = now.timestamp()
    if seconds < found.valid_after:
        raise InvalidInput(_("its certificate is not valid before %s") % _moment(found.valid_after))
    if seconds >= found.valid_before:
        raise InvalidInput(_("its certificate has ended: %s") % _moment(found.valid_before))


def _moment(seconds: int) -> str:
    try:
        return iso(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _require_named(found: SSHCertificate, names: Collection[str]) -> None:
    """OpenSSH lets a certificate without any name stand for every host there is."""
    patterns = [one.decode("utf-8", "replace") for one in found.valid_principals]
    if not any(known_hosts.fits(pattern, name) for pattern in patterns for name in names):
        shown = "".join(one for one in ", ".join(patterns)[:200] if one.isprintable())
        raise InvalidInput(
            _("its certificate is for %(others)s, not for %(names)s")
            % {"others": shown or _("no host"), "names": ", ".join(dict.fromkeys(names))}
        )
