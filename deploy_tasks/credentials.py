"""What a credential keeps: a secret, sealed for the workers, and what may be shown of it."""

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import ssh, vault
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Credential, Game

MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class Secret:
    """``digest`` tells it from another one; ``public`` is empty for what is no SSH key."""

    content: bytes = field(repr=False)
    public: str
    digest: str


def read(name: str, kind: Credential.Kind, text: str) -> Secret:
    """What the credential ``name`` shall keep. Raises InvalidInput with a remedy."""
    content = text.encode()
    if not content:
        raise InvalidInput(_("this secret is empty"))
    if len(content) > MAX_BYTES:
        raise InvalidInput(_("a secret has at most %(limit)s bytes") % {"limit": MAX_BYTES})
    public = ssh.public_half(text) if kind == Credential.Kind.SSH_KEY else ""
    digest = vault.digest(content, identity=vault.identity_of_credential(name))
    return Secret(content, public, digest)


def keep(row: Credential, secret: Secret) -> None:
    """Seal the secret into the row, which has its name already, and save it."""
    row.key_id, row.sealed = vault.seal(
        secret.content, identity=vault.identity_of_credential(row.name)
    )
    row.public, row.digest = secret.public, secret.digest
    row.save()


def games_using(row: Credential) -> QuerySet[Game]:
    """Those whose hosts are reached with it, straight or as the way to others."""
    reached = Q(hosts__credential=row) | Q(hosts__via__credential=row)
    return Game.objects.filter(reached).distinct()
