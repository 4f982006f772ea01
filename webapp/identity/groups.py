"""The groups of somebody whom the provider knows: those that the settings map follow the claim at
each log-in, all others are left alone."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from deploy_tasks import audit

#: Who acts, in the audit.
PROVIDER = "the provider"


@transaction.atomic
def follow(user: User, claim: Any) -> None:
    """``claim``: a name or a list of them. Raises AuditUnwritable."""
    named = claim if isinstance(claim, list) else [claim]
    said = {one for one in named if isinstance(one, str)}
    wanted = {here for there, here in settings.OIDC_GROUPS.items() if there in said}
    mapped = Group.objects.filter(name__in=settings.OIDC_GROUPS.values())
    before = {group.name for group in mapped.filter(user=user)}
    if wanted == before:
        return
    user.groups.remove(*mapped.filter(name__in=before - wanted))
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in wanted - before))
    audit.record(
        PROVIDER,
        "change_user",
        user.get_username(),
        before={"groups": sorted(before)},
        after={"groups": sorted(wanted)},
    )
