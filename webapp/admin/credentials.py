"""Credentials: written, sealed, and never shown again; the web process could not open one."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import credentials, ssh
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Credential
from webapp.admin.site import Admin, site

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Credential]
else:
    ModelForm = forms.ModelForm


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
    file = forms.FileField(
        label=gettext_lazy("Or a file"), required=False, max_length=255, allow_empty_file=True
    )

    class Meta:
        model = Credential
        fields = ("name", "kind")
        labels = {"name": gettext_lazy("Name"), "kind": gettext_lazy("Kind")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.secret_read: credentials.Secret | None = None
        if self.instance.pk:
            self.fields["secret"].help_text = _("Leave it empty to keep the one there is.")
        else:
            self.fields["secret"].help_text = _("For an SSH key: the private key, no passphrase.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        name = self.instance.name if self.instance.pk else cleaned.get("name")
        kind = self.instance.kind if self.instance.pk else cleaned.get("kind")
        if name and kind and (not self.instance.pk or self._is_given()):
            try:
                text = self._text().replace("\r\n", "\n")
                text = text if kind == Credential.Kind.SSH_KEY else text.rstrip("\n")
                self.secret_read = credentials.read(name, Credential.Kind(kind), text)
            except InvalidInput as finding:
                self.add_error("file" if cleaned.get("file") else "secret", finding.message)
        return cleaned

    def _is_given(self) -> bool:
        return bool(self.cleaned_data.get("secret") or self.cleaned_data.get("file"))

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
    list_display = ("name", "kind", "shown", "used_by", "changed_at")
    list_filter = ("kind",)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        found: QuerySet[Credential] = super().get_queryset(request)
        return found.annotate(host_count=Count("hosts"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "kind", "secret", "file")
        return ("name", "kind", "shown", "changed_at", "secret", "file")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Its name is part of the seal, and its kind of what uses it.
        return ("name", "kind", "shown", "changed_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if form.secret_read:
            credentials.keep(obj, form.secret_read)

    @admin.display(description=gettext_lazy("Shown to hosts as"))
    def shown(self, credential: Credential) -> str:
        return ssh.fingerprint(credential.public) if credential.public else ""

    @admin.display(description=gettext_lazy("Hosts"), ordering="host_count")
    def used_by(self, credential: Any) -> int:
        return int(credential.host_count)
