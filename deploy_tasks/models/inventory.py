"""What we may update: games, releases, hosts, and how we log in to them."""

from datetime import timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deploy_tasks.models.recipes import Recipe
from deploy_tasks.names import name_validator

#: A look that nobody has ended by then will not end.
ANSWER_WITHIN = timedelta(minutes=3)


class Game(models.Model):
    """One title and its update recipe. ``vars`` overrides the recipe's defaults."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[name_validator])
    recipe = models.ForeignKey(
        Recipe, models.PROTECT, related_name="games", verbose_name=_("recipe")
    )
    vars = models.JSONField(_("variables"), default=dict, blank=True)
    #: Its own presets by name.
    rollouts = models.JSONField(_("rollouts"), default=dict, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("game"), _("games")

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """A secret, sealed for the workers: the web process cannot open it.

    ``sealed`` is what ``vault.seal`` made; ``key_id`` names the key that opens it.
    ``public`` is what may be shown: the public half of an SSH key, else empty. Of a key that an
    SSH agent on the workers keeps, ``agent`` is the fingerprint, and nothing is sealed.
    ``certificate`` is an OpenSSH user certificate that comes with either.
    Only hosts and variables of its ``games`` may name it.
    """

    class Kind(models.TextChoices):
        SSH_KEY = "ssh_key", _("SSH key")
        SECRET = "secret", _("secret")

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[name_validator])
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    sealed = models.BinaryField()
    key_id = models.CharField(max_length=32)
    public = models.TextField(blank=True)
    agent = models.CharField(max_length=64, blank=True)
    certificate = models.TextField(blank=True)
    #: Keyed hash of the secret, so that a repeated import changes nothing.
    digest = models.CharField(max_length=64)
    games = models.ManyToManyField(
        Game, blank=True, related_name="credentials", verbose_name=_("games")
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("credential"), _("credentials")

    def __str__(self) -> str:
        return self.name


class Machine(models.Model):
    """A physical or virtual box that carries several hosts."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[name_validator])

    class Meta:
        verbose_name, verbose_name_plural = _("machine"), _("machines")

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """One immutable version of a game. The artifact lies under its sha256 (hex) in the store."""

    game = models.ForeignKey(Game, models.PROTECT, related_name="releases", verbose_name=_("game"))
    version = models.CharField(_("version"), max_length=64, validators=[name_validator])
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text=_("bytes"))
    filename = models.CharField(_("file"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("release"), _("releases")
        constraints = [
            models.UniqueConstraint(fields=["game", "version"], name="one_release_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.game} {self.version}"


class Host(models.Model):
    """One game server we can reach over SSH."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[name_validator])
    game = models.ForeignKey(Game, models.PROTECT, related_name="hosts", verbose_name=_("game"))
    address = models.CharField(_("address"), max_length=255)
    port = models.PositiveIntegerField(
        _("port"), default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(_("user"), max_length=64)
    credential = models.ForeignKey(
        Credential, models.PROTECT, related_name="hosts", verbose_name=_("credential")
    )
    machine = models.ForeignKey(
        Machine,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="hosts",
        verbose_name=_("machine"),
    )
    via = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="behind")
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    vars = models.JSONField(_("variables"), default=dict, blank=True)
    #: A plan that a person decided about while its end was not known; empty: there is none. It is
    #: ended before anything else starts here.
    unended_plan = models.CharField(max_length=40, blank=True, default="", editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("host"), _("hosts")

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
        verbose_name, verbose_name_plural = _("host key"), _("host keys")
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


class KeyRule(models.Model):
    """What a person has said of the host keys of a game beyond a single host: an authority, whose
    host certificates are believed, or a key that never is.

    ``names`` are those of a ``known_hosts`` line, with commas between them: the rule is about
    the hosts that they fit. ``key`` is ``type base64``.
    """

    class Kind(models.TextChoices):
        AUTHORITY = "authority", _("host CA")
        REVOKED = "revoked", _("revoked")

    game = models.ForeignKey(Game, models.CASCADE, related_name="key_rules", verbose_name=_("game"))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    names = models.CharField(_("for hosts"), max_length=500)
    key = models.TextField()
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    approved_at = models.DateTimeField(_("since"), auto_now_add=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("host key rule"), _("host key rules")
        constraints = [
            models.UniqueConstraint(
                fields=["game", "kind", "fingerprint", "names"], name="one_row_per_key_rule"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.names} {self.fingerprint}"


class HostCheck(models.Model):
    """The last look at a host outside of any job: whether a job could run on it.

    ``items`` are ``{"part", "result", "says"}`` in the order of ``Part``, as far as the look has
    come: what comes after a part that failed is ``skipped``. A warning is in no job's way.
    """

    class Part(models.TextChoices):
        REACHABLE = "reachable", _("Reachable")
        KEY = "key", _("Host key")
        LOGIN = "login", _("Log-in")
        SHELL = "shell", _("Shell")
        DISK = "disk", _("Disk")
        CLOCK = "clock", _("Clock")
        VARS = "vars", _("Variables")
        SUDO = "sudo", _("Sudo")
        VERSION = "version", _("On disk")
        GAME = "game", _("Game")

    class Result(models.TextChoices):
        OK = "ok", _("ok")
        WARNING = "warning", _("worth a look")
        PROBLEM = "problem", _("problem")
        SKIPPED = "skipped", _("not tried")

    host = models.OneToOneField(Host, models.CASCADE, related_name="last_check")
    asked_at = models.DateTimeField()
    #: When its Celery bell was rung last; a lost one is rung again.
    rung_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    items = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.host} {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def is_pending(self) -> bool:
        """A worker will still say more; else it has ended, or nobody answered in time."""
        return self.ended_at is None and timezone.now() - self.asked_at < ANSWER_WITHIN

    @property
    def problem(self) -> dict[str, str] | None:
        """The first item that is not well."""
        return next((one for one in self.items if one["result"] == self.Result.PROBLEM), None)


class Sighting(models.Model):
    """What a host said of itself when it was last looked at outside of any job.

    ``on_disk`` is what the recipe's ``current`` printed, ``running`` and ``players`` are the
    answer of the running game, ``silence`` is why there was none. Null, and an empty ``running``:
    not learnt. A player count that is not known is not zero.
    """

    host = models.OneToOneField(Host, models.CASCADE, related_name="sighting")
    at = models.DateTimeField()
    on_disk = models.CharField(max_length=255, blank=True, null=True)
    running = models.CharField(max_length=255, blank=True)
    players = models.PositiveIntegerField(null=True)
    silence = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.host} {self.at:%Y-%m-%d %H:%M}"
