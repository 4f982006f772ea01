"""Host keys from a list that a person trusts: shown host by host first, approved by a second press.

And the rules that come of such lists, host CAs and revoked keys, to be looked at and taken away.
"""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deploy_tasks import host_keys
from deploy_tasks.errors import InvalidInput
from deploy_tasks.host_keys import Approval, Outcome
from deploy_tasks.models import Game, Host, KeyRule
from webapp import access
from webapp.access import Right
from webapp.admin.site import ReadOnly, site

#: Characters; the second press brings the text again, in a form.
MOST = 2_000_000
#: Rows of the table.
SHOWN = 500


class ListForm(forms.Form):
    known_hosts = forms.CharField(
        label=gettext_lazy("List"),
        required=False,
        strip=False,
        widget=forms.Textarea({"rows": 8, "cols": 90, "class": "code", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "A known_hosts file, or what ssh-keyscan printed where you trust the network."
            " A line @cert-authority names a host CA, @revoked a key that is never taken."
        ),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file"), required=False, max_length=255, allow_empty_file=True
    )
    game = forms.ModelChoiceField(
        label=gettext_lazy("Game"),
        queryset=Game.objects.none(),
        required=False,
        empty_label=gettext_lazy("all that you maintain"),
    )
    replace = forms.BooleanField(
        label=gettext_lazy("Host keys were changed on purpose: replace the pinned ones"),
        required=False,
    )
    #: What the page before showed, as `Approval.digest`.
    confirmed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        games = cast("forms.ModelChoiceField[Game]", self.fields["game"])
        games.queryset = access.games(user, Right.MAINTAIN).order_by("name")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        given["text"] = self._text(given)
        if not given["text"].strip():
            raise ValidationError(_("Give a list, or a file that holds one."))
        if len(given["text"]) > MOST:
            raise ValidationError(_("Too long for a page; use bin/patchwave approve-keys FILE."))
        return given

    def _text(self, given: dict[str, Any]) -> str:
        file: UploadedFile[bytes] | None = given.get("file")
        if not file:
            return str(given.get("known_hosts") or "")
        try:
            content: bytes = file.read(MOST + 1)
            return content.decode()
        except UnicodeDecodeError:
            raise ValidationError(_("this is not text; is it the right file?")) from None


def approve_listed(request: HttpRequest) -> HttpResponse:
    """Nothing is approved but what was shown: where a host has changed in between, it is shown
    again."""
    user = cast(User, request.user)
    if not access.games(user, Right.MAINTAIN).exists():
        raise PermissionDenied
    form = ListForm(user, request.POST or None, request.FILES or None)
    found: Approval | None = None
    refusal: InvalidInput | None = None
    if form.is_valid():
        try:
            given = form.cleaned_data
            found = host_keys.compare(_hosts(user, given), given["text"], **_how(given))
            if found.changes and given["confirmed"] == found.digest:
                _approve(request, given)
                return redirect("admin:host-keys")
        except InvalidInput as error:
            refusal = error
        else:
            if form.cleaned_data["confirmed"]:
                messages.warning(request, _("It would change other things by now; look again."))
            form = _again(user, form.cleaned_data, found)
    context = {
        **site.each_context(request),
        "title": _("Approve host keys from a list"),
        "form": form,
        "found": found,
        "refusal": refusal,
        **(_shown(found) if found else {}),
    }
    status = 422 if refusal or form.errors else 200
    return render(request, "admin/listed_keys.html", context, status=status)


def _approve(request: HttpRequest, given: dict[str, Any]) -> None:
    user = cast(User, request.user)
    done = host_keys.approve_listed(_hosts(user, given), given["text"], by=user, **_how(given))
    changed = len([one for one in done.findings if one.holds != one.held])
    said = ngettext(
        "The keys of %(n)s host were changed.", "The keys of %(n)s hosts were changed.", changed
    )
    messages.success(request, said % {"n": changed})
    if done.rules:
        said = ngettext("%(n)s rule was added.", "%(n)s rules were added.", len(done.rules))
        messages.success(request, said % {"n": len(done.rules)})


def _hosts(user: User, given: dict[str, Any]) -> Any:
    games = access.games(user, Right.MAINTAIN)
    if given["game"]:
        games = games.filter(pk=given["game"].pk)
    return Host.objects.filter(game__in=games)


def _how(given: dict[str, Any]) -> dict[str, Any]:
    return {"replace": given["replace"], "games": [given["game"]] if given["game"] else []}


def _again(user: User, given: dict[str, Any], found: Approval) -> ListForm:
    """The same once more, and what was shown of it."""
    return ListForm(
        user,
        initial={
            "known_hosts": given["text"],
            "game": given["game"],
            "replace": given["replace"],
            "confirmed": found.digest,
        },
    )


def _shown(found: Approval) -> dict[str, Any]:
    """What needs a look first."""
    order = (Outcome.REFUSED, Outcome.REVOKED, Outcome.APPROVED, Outcome.VOUCHED)
    rows = [one for outcome in order for one in found.of(outcome)]
    return {
        "rows": rows[:SHOWN],
        "more": max(0, len(rows) - SHOWN),
        "refused": len(found.of(Outcome.REFUSED)),
        "unchanged": len(found.of(Outcome.UNCHANGED)),
        "unnamed": found.names(Outcome.UNNAMED),
        "changed": len([one for one in found.findings if one.holds != one.held]),
    }


@admin.register(KeyRule, site=site)
class KeyRuleAdmin(ReadOnly):
    list_display = ("kind", "names", "game", "fingerprint", "approved_at", "approved_by")
    list_filter = ("kind", ("game", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("game", "approved_by")
    search_fields = ("names", "fingerprint")
    ordering = ("game__name", "kind", "names")
    fields = ("kind", "names", "game", "key", "fingerprint", "approved_at", "approved_by")

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for rule in queryset:
            self.record(request, "remove", rule, game=rule.game)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_add(request.user, KeyRule)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Where it is shown what it would do."""
        return redirect("admin:host-keys")
