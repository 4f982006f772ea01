"""What we may update: games, releases, hosts, and how we log in to them."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deploy_tasks.models.recipes import Recipe
from deploy_tasks.names import name_validator


class Game(models.Model):
    """One title and its update recipe. ``vars`` overrides the recipe's defaults."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    recipe = models.ForeignKey(Recipe, models.PROTECT, related_name="games")
    vars = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """A secret, sealed for the workers: the web process cannot open it.

    ``sealed`` is what ``vault.seal`` made; ``key_id`` names the key that opens it.
    ``public`` is what may be shown: the public half of an SSH key, else empty.
    """

    class Kind(models.TextChoices):
        SSH_KEY = "ssh_key", _("SSH key")
        SECRET = "secret", _("secret")

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    kind = models.CharField(max_length=16, choices=Kind)
    sealed = models.BinaryField()
    key_id = models.CharField(max_length=16)
    public = models.TextField(blank=True)
    #: Keyed hash of the secret, so that a repeated import changes nothing.
    digest = models.CharField(max_length=64)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name


class Machine(models.Model):
    """A physical or virtual box that carries several hosts."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """One immutable version of a game. The artifact lies under its sha256 (hex) in the store."""

    game = models.ForeignKey(Game, models.PROTECT, related_name="releases")
    version = models.CharField(max_length=64, validators=[name_validator])
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text=_("bytes"))
    filename = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["game", "version"], name="one_release_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.game} {self.version}"


class Host(models.Model):
    """One game server we can reach over SSH."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    game = models.ForeignKey(Game, models.PROTECT, related_name="hosts")
    address = models.CharField(max_length=255)
    port = models.PositiveIntegerField(
        default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(max_length=64)
    credential = models.ForeignKey(Credential, models.PROTECT, related_name="hosts")
    machine = models.ForeignKey(
        Machine, models.SET_NULL, null=True, blank=True, related_name="hosts"
    )
    via = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="behind")
    labels = models.JSONField(default=dict, blank=True)
    vars = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name


class HostKey(models.Model):
    """A public host key. Pinned once approved; one that was only seen waits for a person.

    ``key`` is ``type base64`` as in ``known_hosts``; ``fingerprint`` is ``SHA256:…``.
    """

    host = models.ForeignKey(Host, models.CASCADE, related_name="keys")
    key = models.TextField()
    fingerprint = models.CharField(max_length=64)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "fingerprint"], name="one_row_per_host_key"),
        ]
        indexes = [
            models.Index(
                fields=["host"], condition=Q(approved_at__isnull=False), name="pinned_host_keys"
            )
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.fingerprint}"
