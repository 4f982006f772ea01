"""Who may do what, and how programs log in."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deploy_tasks.models import Game


class Role(models.TextChoices):
    """Each role may do what the one before it may. A superuser is an administrator everywhere."""

    VIEWER = "viewer", _("viewer")
    OPERATOR = "operator", _("operator")
    MAINTAINER = "maintainer", _("maintainer")
    ADMINISTRATOR = "administrator", _("administrator")


class Grant(models.Model):
    """The role of a user, or of everybody in a group, in one game or in all (``game`` is null)."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
        verbose_name=_("user"),
    )
    group = models.ForeignKey(
        "auth.Group",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
        verbose_name=_("group"),
    )
    game = models.ForeignKey(
        Game,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
        verbose_name=_("game"),
    )
    role = models.CharField(_("role"), max_length=16, choices=Role)

    class Meta:
        verbose_name, verbose_name_plural = _("role"), _("roles")
        constraints = [
            models.UniqueConstraint(fields=["user", "game"], name="one_role_per_user_and_game"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(game__isnull=True), name="one_role_for_all_games"
            ),
            models.UniqueConstraint(fields=["group", "game"], name="one_role_per_group_and_game"),
            models.UniqueConstraint(
                fields=["group"],
                condition=Q(game__isnull=True),
                name="one_role_of_a_group_for_all_games",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, group=None) | Q(user=None, group__isnull=False),
                name="a_role_is_of_a_user_or_a_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group} {self.role} {self.game or '*'}"


class Scope(models.TextChoices):
    """What a token leaves of its user's rights, at the most."""

    READ = "read", _("read")
    OPERATE = "operate", _("operate")
    MAINTAIN = "maintain", _("maintain")
    ADMINISTER = "administer", _("administer")


class ApiToken(models.Model):
    """Lets a program act as a user. Only the sha256 of the token is stored; it is shown once.

    ``game``: good in this one alone; null: wherever its user has a role. To revoke one is to
    delete it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="api_tokens",
        verbose_name=_("user"),
    )
    digest = models.CharField(max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=64, blank=True)
    scope = models.CharField(_("scope"), max_length=16, choices=Scope, default=Scope.ADMINISTER)
    game = models.ForeignKey(
        Game,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("game"),
    )
    expires_at = models.DateTimeField(_("good until"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("token"), _("tokens")

    def __str__(self) -> str:
        return f"{self.user} {self.name or self.created_at.date().isoformat()}"
