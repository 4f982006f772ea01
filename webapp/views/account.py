"""One's own account: the password, and the tokens of one's programs."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordChangeView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from deploy_tasks import audit
from deploy_tasks.models import Game
from webapp import access, sessions, tokens
from webapp.access import Open, takes
from webapp.models import ApiToken, Scope

LASTS = (
    ("30", gettext_lazy("30 days")),
    ("90", gettext_lazy("90 days")),
    ("365", gettext_lazy("a year")),
    ("", gettext_lazy("until it is revoked")),
)


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("What it is for"), max_length=64, widget=forms.TextInput
    )
    scope = forms.ChoiceField(
        label=gettext_lazy("It may"), choices=Scope.choices, initial=Scope.OPERATE
    )
    game = forms.ModelChoiceField(
        label=gettext_lazy("Game"),
        queryset=Game.objects.none(),
        required=False,
        to_field_name="name",
        empty_label=gettext_lazy("all that I see"),
    )
    days = forms.ChoiceField(
        label=gettext_lazy("Good for"), choices=LASTS, initial="90", required=False
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        game = cast("forms.ModelChoiceField[Game]", self.fields["game"])
        game.queryset = access.visible_games(user).order_by("name")


@takes(Open.LOGGED_IN)
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """A POST makes a token; the answer alone shows it, and is kept nowhere."""
    user = cast(User, request.user)
    form, token = TokenForm(user, request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        token = tokens.issue(
            user,
            by=user,
            name=given["name"],
            scope=Scope(given["scope"]),
            game=given["game"],
            days=int(given["days"]) if given["days"] else None,
        )
        form = TokenForm(user)
    mine = ApiToken.objects.filter(user=user).select_related("game").order_by("-pk")
    told = {"form": form, "token": token, "tokens": mine, "now": timezone.now()}
    told["identity"] = settings.IDENTITY
    return render(request, "account.html", told)


@takes(Open.LOGGED_IN)
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    user = cast(User, request.user)
    token = get_object_or_404(ApiToken, pk=token_id, user=user)
    tokens.revoke(token, by=user)
    messages.success(request, _("The token was revoked; what uses it is logged out."))
    return redirect("account")


class PasswordChange(PasswordChangeView):
    """Every other log-in of this person ends, open pages too."""

    template_name = "password.html"
    success_url = reverse_lazy("account")

    @method_decorator(transaction.atomic)
    def form_valid(self, form: Any) -> HttpResponse:
        user = cast(User, self.request.user)
        # First: the session that comes with the new password could not be taken back.
        audit.record(user, "change_password", user.get_username())
        answer = super().form_valid(form)
        sessions.begin(self.request.session)
        messages.success(
            self.request, _("Your password was changed; you are logged out elsewhere.")
        )
        return answer


password = takes(Open.LOGGED_IN)(sensitive_post_parameters()(PasswordChange.as_view()))
