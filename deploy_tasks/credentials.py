"""What a credential keeps: a secret, sealed for the workers, and what may be shown of it."""

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import ssh, vault
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Credential, Game

MAX_BYTES = 64 * 1024
#: Between a private key and its passphrase, which are sealed together; neither can hold it.
_BETWEEN = "\0"


@dataclass(frozen=True)
class Secret:
    """``digest`` tells it from another one; ``public`` is empty for what is no SSH key.

    ``content`` is empty where an ``agent`` keeps the key with that fingerprint.
    """

    content: bytes = field(repr=False)
    public: str
    digest: str
    agent: str = ""
    certificate: str = ""


def read(
    name: str, kind: Credential.Kind, text: str, *, passphrase: str = "", certificate: str = ""
) -> Secret:
    """What the credential ``name`` shall keep. Raises InvalidInput with a remedy."""
    if not text:
        raise InvalidInput(_("this secret is empty"))
    public = ""
    if kind == Credential.Kind.SSH_KEY:
        public = ssh.public_half(text, passphrase)
    if certificate:
        ssh.read_certificate(certificate, of=public)
    content = (text + _BETWEEN + passphrase if passphrase else text).encode()
    if len(content) > MAX_BYTES:
        raise InvalidInput(_("a secret has at most %(limit)s bytes") % {"limit": MAX_BYTES})
    return Secret(content, public, _digest(name, content, certificate), certificate=certificate)


def in_agent(name: str, fingerprint: str, *, certificate: str = "") -> Secret:
    """A key that stays in an SSH agent of the workers. Raises InvalidInput."""
    if not ssh.is_fingerprint(fingerprint):
        raise InvalidInput(_("must be a fingerprint such as SHA256:…, as ssh-add -l prints it"))
    if certificate:
        ssh.read_certificate(certificate)
    digest = _digest(name, fingerprint.encode(), certificate)
    return Secret(b"", "", digest, agent=fingerprint, certificate=certificate)


def keep(row: Credential, secret: Secret) -> None:
    """Seal the secret into the row, which has its name already, and save it."""
    row.key_id, row.sealed = "", b""
    if secret.content:
        identity = vault.identity_of_credential(row.name)
        row.key_id, row.sealed = vault.seal(secret.content, identity=identity)
    row.public, row.digest = secret.public, secret.digest
    row.agent, row.certificate = secret.agent, secret.certificate
    row.save()


def games_using(row: Credential) -> QuerySet[Game]:
    """Those whose hosts are reached with it, straight or as the way to others."""
    reached = Q(hosts__credential=row) | Q(hosts__via__credential=row)
    return Game.objects.filter(reached).distinct()


def parted(opened: str) -> tuple[str, str]:
    """A private key and its passphrase, of what was opened."""
    private_key, _between, passphrase = opened.partition(_BETWEEN)
    return private_key, passphrase


def shown(row: Credential) -> str:
    """The fingerprint by which hosts know it; empty for what is no SSH key."""
    return row.agent or (ssh.fingerprint(row.public) if row.public else "")


def _digest(name: str, content: bytes, certificate: str) -> str:
    known = content + b"\0" + certificate.encode() if certificate else content
    return vault.digest(known, identity=vault.identity_of_credential(name))
