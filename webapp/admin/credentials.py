"""Credentials: written, sealed, and never shown again; the web process could not open one."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import credentials
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Credential, Game
from webapp import access
from webapp.access import Right
from webapp.admin.site import Admin, site

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Credential]
else:
    ModelForm = forms.ModelForm


GIVEN = ("secret", "file", "passphrase", "agent_key", "certificate_text")


class WriteOnly(forms.Textarea):
    """Never sends back what was typed in, not even beside an error."""

    write_only = True

    def format_value(self, value: Any) -> str:
        return ""


class CredentialForm(ModelForm):
    """The secret is typed or pasted, or comes as a file."""

    secret = forms.CharField(
        label=gettext_lazy("Secret"),
        required=False,
        strip=False,
        widget=WriteOnly(
            {"rows": 8, "class": "code", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    passphrase = forms.CharField(
        label=gettext_lazy("Passphrase of the key"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    agent_key = forms.CharField(
        label=gettext_lazy("Or a key in the workers' SSH agent"),
        required=False,
        help_text=gettext_lazy("Its fingerprint: SHA256:…"),
    )
    certificate_text = forms.CharField(
        label=gettext_lazy("OpenSSH certificate"),
        required=False,
        widget=forms.Textarea({"rows": 3, "class": "code", "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file"), required=False, max_length=255, allow_empty_file=True
    )

    class Meta:
        model = Credential
        fields = ("name", "kind", "games")
        labels = {"name": gettext_lazy("Name"), "kind": gettext_lazy("Kind")}
        widgets = {"games": forms.CheckboxSelectMultiple}
        help_texts = {"games": gettext_lazy("Only their hosts and variables may name it.")}

    #: Whether it may be left to no game at all; set by the screen.
    needs_game: ClassVar[bool]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.secret_read: credentials.Secret | None = None
        if self.instance.pk:
            self.fields["secret"].help_text = _("Leave it empty to keep the one there is.")
        else:
            self.fields["secret"].help_text = _("For an SSH key: the private key.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        name = self.instance.name if self.instance.pk else cleaned.get("name")
        kind = self.instance.kind if self.instance.pk else cleaned.get("kind")
        if name and kind and (not self.instance.pk or self._is_given()):
            try:
                self.secret_read = self._read(name, Credential.Kind(kind))
            except InvalidInput as finding:
                given = (one for one in ("file", "agent_key") if cleaned.get(one))
                self.add_error(next(given, "secret"), finding.message)
        return cleaned

    def clean_games(self) -> QuerySet[Game]:
        chosen: QuerySet[Game] = self.cleaned_data["games"]
        if self.needs_game and not chosen.exists():
            raise ValidationError(_("Choose a game that you maintain."))
        if self.instance.pk:
            left = credentials.games_using(self.instance).exclude(pk__in=chosen)
            if names := ", ".join(left.order_by("name").values_list("name", flat=True)):
                raise ValidationError(
                    _("Hosts of %(games)s are reached with it."), params={"games": names}
                )
        return chosen

    def _read(self, name: str, kind: Credential.Kind) -> credentials.Secret:
        given = self.cleaned_data
        text = self._text().replace("\r\n", "\n")
        if kind != Credential.Kind.SSH_KEY:
            return credentials.read(name, kind, text.rstrip("\n"))
        certificate = str(given.get("certificate_text") or "").strip()
        if given.get("agent_key") and not text:
            if self.needs_game:
                # The agent's keys are of the whole instance.
                raise InvalidInput(_("This takes a maintainer of all games."))
            return credentials.in_agent(name, given["agent_key"].strip(), certificate=certificate)
        passphrase = str(given.get("passphrase") or "")
        return credentials.read(name, kind, text, passphrase=passphrase, certificate=certificate)

    def _is_given(self) -> bool:
        return any(self.cleaned_data.get(one) for one in GIVEN)

    def _text(self) -> str:
        if not (file := self.cleaned_data.get("file")):
            return str(self.cleaned_data.get("secret") or "")
        try:
            content: bytes = file.read(credentials.MAX_BYTES + 1)
            return content.decode()
        except UnicodeDecodeError:
            raise InvalidInput(_("this is not text; is it the right file?"))


@admin.register(Credential, site=site)
class CredentialAdmin(Admin):
    form = CredentialForm
    list_display = ("name", "kind", "shown", "lent_to", "used_by", "changed_at")
    list_filter = ("kind",)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        found: QuerySet[Credential] = super().get_queryset(request)
        return found.annotate(host_count=Count("hosts")).prefetch_related("games")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.needs_game = not access.may(request.user, Right.MAINTAIN, None)
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "kind", *GIVEN, "games")
        return ("name", "kind", "shown", "changed_at", *GIVEN, "games")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Its name is part of the seal, and its kind of what uses it.
        return ("name", "kind", "shown", "changed_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if form.secret_read:
            credentials.keep(obj, form.secret_read)

    @admin.display(description=gettext_lazy("Shown to hosts as"))
    def shown(self, credential: Credential) -> str:
        return credentials.shown(credential)

    @admin.display(description=gettext_lazy("Games"))
    def lent_to(self, credential: Credential) -> str:
        return ", ".join(sorted(game.name for game in credential.games.all()))

    @admin.display(description=gettext_lazy("Hosts"), ordering="host_count")
    def used_by(self, credential: Any) -> int:
        return int(credential.host_count)
