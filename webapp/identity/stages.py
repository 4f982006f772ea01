"""The way from a proof (a password, a provider's word) to a log-in."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import (
    clear_authentication_records,
    get_authentication_records,
    perform_login,
    record_authentication,
)
from allauth.account.models import Login
from allauth.account.stages import LoginStage
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from webapp import logins
from webapp.identity import factors
from webapp.identity.configuration import PASSWORDS, PROVIDED

PASSWORD, PROVIDER = "password", "socialaccount"
#: Tells, in the session, the password that was proven from a later one.
PROVEN = "proven"


def enter(request: HttpRequest, user: User, *, to: str) -> HttpResponse:
    """Who has given the right password goes on to the next stage, or is in."""
    # Whoever gave this browser its session before does not come along.
    request.session.cycle_key()
    clear_authentication_records(request)
    proven(request, user, PASSWORD)
    request.session[PROVEN] = user.get_session_auth_hash()
    answer: HttpResponse = perform_login(request, Login(user=user, redirect_url=to))
    return answer


def proven(request: HttpRequest, user: User, method: str) -> None:
    """Another proof of who this is; all of them stand in the audit with the log-in."""
    record_authentication(request, user, method)


def by_provider(request: HttpRequest, user: User) -> bool:
    return PROVIDER in _methods(request, user)


def refusal(request: HttpRequest, sentence: str, *, status: int = 403) -> HttpResponse:
    return render(request, "not_let_in.html", {"sentence": sentence}, status=status)


class AddFactor(LoginStage):  # type: ignore[misc]
    """Whoever has to have a second factor and has none adds it before they are in."""

    key = "add_factor"
    urlname = "factor-first"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user = self.login.user
        if by_provider(self.request, user) or not factors.due(user):
            return None, True
        return redirect(self.urlname), True


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    def get_login_stages(self) -> list[str]:
        return ["allauth.mfa.stages.AuthenticateStage", "webapp.identity.stages.AddFactor"]

    def login(self, request: HttpRequest, user: User) -> None:
        """All stages are passed. Minutes may have gone by since the first one."""
        methods, proven = _methods(request, user), request.session.pop(PROVEN, "")
        changed = PASSWORD in methods and proven != user.get_session_auth_hash()
        if changed or not methods:
            raise ImmediateHttpResponse(redirect("login"))
        if not user.is_active:
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user))
        user.backend = PROVIDED if PROVIDER in methods else PASSWORDS
        words = ["provider" if method == PROVIDER else method for method in methods]
        clear_authentication_records(request)
        logins.begin(request, user, way=", ".join(words))

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        return refusal(request, _("This account is not active."))

    def add_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """The pages say what there is to say."""


def _methods(request: HttpRequest, user: User) -> list[str]:
    return [record["method"] for record in get_authentication_records(request, user)]
