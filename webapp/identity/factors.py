"""Second factors: one-time codes of an authenticator app, and recovery codes for when it is lost.

django-allauth keeps the rows; their secrets are sealed with the web process's own key.
"""

import hmac
import re
import time
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.utils import timezone

from deploy_tasks import audit, vault
from webapp import access, sessions

#: Seconds for which a code is the right one; the one before and the one after are taken as well.
PERIOD = 30
#: How `accept` names what it was given, as the audit has it.
ONE_TIME, RECOVERY = "one-time code", "recovery code"


def has(user: AbstractBaseUser) -> bool:
    return bool(_rows(user).filter(type=Authenticator.Type.TOTP).exists())


def required(user: User) -> bool:
    """Whether the setting asks this person for one."""
    match settings.SECOND_FACTOR:
        case "everybody":
            return True
        case "maintainers":
            return access.maintains(user)
    return False


def due(user: User) -> bool:
    """Whether they have to add one before they do anything else."""
    return settings.SECOND_FACTOR in ("everybody", "maintainers") and (
        not has(user) and required(user)
    )


@transaction.atomic
def accept(user: AbstractBaseUser, code: str) -> str | None:
    """ONE_TIME or RECOVERY where the code is good; each is good once."""
    digits = re.sub(r"[^0-9]", "", code)
    # Held until it is written down: of two requests with the same code one gets in.
    for row in _rows(user).select_for_update():
        if row.type == Authenticator.Type.TOTP:
            if counter := _counter(_secret_of(row), digits, after=row.data.get("last", 0)):
                row.data["last"], row.last_used_at = counter, timezone.now()
                row.save()
                return ONE_TIME
        elif row.wrap().validate_code(digits):
            return RECOVERY
    return None


@transaction.atomic
def add(user: User, secret: str, code: str) -> bool:
    """Whether the code is the secret's: then it is the user's second factor from now on."""
    counter = _counter(secret, re.sub(r"[^0-9]", "", code), after=0)
    if not counter:
        return False
    row = TOTP.activate(user, secret).instance
    row.data["last"] = counter
    row.save()
    RecoveryCodes.activate(user)
    audit.record(user, "add_factor", user.get_username())
    return True


@transaction.atomic
def remove(user: User, *, by: User) -> bool:
    """Whether there was one. Every session of that user ends: its factor is not what it was."""
    action = "remove_factor" if by == user else "reset_factor"
    gone, _ = _rows(user).delete()
    if gone:
        audit.record(by, action, user.get_username())
        sessions.end_all(user)
    return bool(gone)


@transaction.atomic
def renew_codes(user: User) -> None:
    """Those of before are no longer good."""
    _rows(user).filter(type=Authenticator.Type.RECOVERY_CODES).delete()
    RecoveryCodes.activate(user)
    audit.record(user, "renew_recovery_codes", user.get_username())


def recovery_codes(user: AbstractBaseUser) -> list[str]:
    """Those that are still good."""
    row = _rows(user).filter(type=Authenticator.Type.RECOVERY_CODES).first()
    return list(row.wrap().get_unused_codes()) if row else []


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]
    def encrypt(self, text: str) -> str:
        return vault.hide(text)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.show(encrypted_text)

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return user.get_username()


def this_period() -> int:
    return int(time.time()) // PERIOD


def _rows(user: AbstractBaseUser) -> Any:
    return Authenticator.objects.filter(user_id=user.pk)


def _secret_of(row: Authenticator) -> str:
    return vault.show(row.data["secret"])


def _counter(secret: str, code: str, *, after: int) -> int | None:
    """The period whose code this is; none that is not later than ``after``."""
    now = this_period()
    for counter in (now, now - 1, now + 1):
        if counter > after and hmac.compare_digest(
            format_hotp_value(hotp_value(secret, counter)), code
        ):
            return counter
    return None
