"""Settings with which Patchwave does not start, and ``manage.py check --deploy`` fails."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.utils.translation import gettext as _

from webapp.env import is_loopback

#: Characters; what we make ourselves has 64.
SHORTEST_KEY = 40
SAFE_CONTENT = {"json"}


def dangers() -> Iterator[str]:
    """One sentence each."""
    if settings.DEBUG and not _is_at_home():
        yield _("PATCHWAVE_DEBUG shows settings and source; turn it off where others can reach it.")
    if "*" in settings.ALLOWED_HOSTS:
        yield _("PATCHWAVE_ALLOWED_HOSTS=* lets any site speak for this one; write the names.")
    if len(settings.SECRET_KEY) < SHORTEST_KEY or settings.SECRET_KEY.startswith("django-insecure"):
        yield _("keys/django below PATCHWAVE_HOME is too short or a default; remove it, and a new"
                " one is made (everybody logs in again).")  # fmt: skip
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        yield _("PATCHWAVE_TRUSTED_PROXIES believes everybody; name your proxies' networks.")
    if _is_open(settings.REDIS_URL):
        yield _("PATCHWAVE_REDIS_URL names another machine and no password; give it one:"
                " redis://:password@host:6379")  # fmt: skip
    if settings.CELERY_BROKER_URL.startswith("amqp") and _is_open(settings.CELERY_BROKER_URL):
        yield _("PATCHWAVE_BROKER_URL names another machine and no password; give it one:"
                " amqps://user:password@host:5671")  # fmt: skip
    if settings.OIDC_ISSUER and not settings.OIDC_CLIENT_ID:
        yield _("PATCHWAVE_OIDC_ISSUER names a provider, but PATCHWAVE_OIDC_CLIENT_ID is missing.")
    if settings.PASSWORDS_FOR and not settings.OIDC_ISSUER:
        yield _(
            "PATCHWAVE_PASSWORDS_FOR leaves nobody else a way in without PATCHWAVE_OIDC_ISSUER."
        )
    spoken = {*settings.CELERY_ACCEPT_CONTENT, settings.CELERY_TASK_SERIALIZER}
    if not spoken <= SAFE_CONTENT:
        yield _("Celery must speak JSON alone: whoever reaches the broker could run code here.")


@register(Tags.security, deploy=True)
def refuse_dangers(app_configs: Sequence[Any] | None, **options: Any) -> list[Error]:
    return [Error(sentence, id="patchwave.E001") for sentence in dangers()]


def _is_at_home() -> bool:
    """Only this machine's own programs get here."""
    return is_loopback(settings.BIND) and is_loopback(urlsplit(settings.SITE_ORIGIN).hostname or "")


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme != "unix" and not parts.password and not is_loopback(parts.hostname or "")
