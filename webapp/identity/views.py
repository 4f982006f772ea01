"""The pages of second factors and of the provider."""

import base64
from typing import cast

from allauth.account.stages import LoginStageController
from allauth.mfa.adapter import get_adapter
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from requests import RequestException

from deploy_tasks import vault
from webapp import logins, sessions
from webapp.access import Open, takes
from webapp.guessing import CODES_FOR, PASSWORDS_FOR, STARTS_FROM
from webapp.identity import factors, provider, stages

#: In the session: the secret of a factor that is being added, hidden; and that codes may be shown.
SECRET, SHOW_CODES = "factor-secret", "show-codes"


# ---- on the way in


@takes(Open.ANYBODY)
@never_cache
def code(request: HttpRequest) -> HttpResponse:
    """The second factor of somebody whose password was right."""
    stage = LoginStageController.enter(request, AuthenticateStage.key)
    if stage is None:
        return redirect("login")
    user, wrong = stage.login.user, False
    if request.method == "POST":
        if CODES_FOR.too_many(_key(user)):
            return _locked(request, user)
        if kind := _accepted(user, request.POST.get("code", "")):
            stages.proven(request, user, kind)
            answer: HttpResponse = stage.exit()
            return answer
        wrong = True
    return render(request, "code.html", {"wrong": wrong})


@takes(Open.ANYBODY)
@never_cache
def first_factor(request: HttpRequest) -> HttpResponse:
    """After the password of whoever has to have a second factor and has none."""
    stage = LoginStageController.enter(request, stages.AddFactor.key)
    if stage is None:
        return redirect("login")
    user, wrong = stage.login.user, False
    if request.method == "POST":
        if CODES_FOR.too_many(_key(user)):
            return _locked(request, user)
        if _added(request, user):
            stages.proven(request, user, factors.ONE_TIME)
            stage.login.redirect_url = resolve_url("factor-codes")
            answer: HttpResponse = stage.exit()
            return answer
        wrong = True
    told = _to_scan(request, user) | {"wrong": wrong}
    return render(request, "factor_first.html", told)


@takes(Open.ANYBODY)
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """To the provider. Each time makes a row here and asks the provider, so not without end."""
    address = request.META.get("REMOTE_ADDR", "")
    if STARTS_FROM.too_many(address):
        return render(request, "locked.html", status=429)
    STARTS_FROM.was_wrong(address)
    to = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    try:
        return provider.start(request, to=to if safe else resolve_url("dashboard"))
    except (RequestException, OAuth2Error) as error:
        logins.log.warning("the provider cannot be reached: %s", error)
        sentence = _("The provider cannot be reached; try again, or ask an administrator.")
        return stages.refusal(request, sentence, status=502)


@takes(Open.ANYBODY)
@never_cache
def done(request: HttpRequest) -> HttpResponse:
    """Back from the provider."""
    answer: HttpResponse = OAuth2CallbackView.adapter_view(provider.Wire(request))(request)
    return answer


# ---- one's own


@takes(Open.LOGGED_IN)
@never_cache
@sensitive_post_parameters()
def factor(request: HttpRequest) -> HttpResponse:
    """Shows it, or adds one: that takes the password again."""
    user = cast(User, request.user)
    if factors.has(user):
        left = len(factors.recovery_codes(user))
        return render(
            request, "factor.html", {"has": True, "left": left, "due": factors.required(user)}
        )
    refusal = ""
    if request.method == "POST" and user.has_usable_password():
        name = user.get_username().lower()
        if PASSWORDS_FOR.too_many(name) or CODES_FOR.too_many(_key(user)):
            return _locked(request, user)
        if not user.check_password(request.POST.get("password", "")):
            PASSWORDS_FOR.was_wrong(name)
            refusal = _("This is not your password.")
        elif _added(request, user):
            sessions.end_all(user, but=request.session.session_key or "")
            return redirect("factor-codes")
        else:
            refusal = _("This code is not the right one; try the next.")
    told = {"has": False, "refusal": refusal, **_to_scan(request, user)}
    return render(request, "factor.html", told)


@takes(Open.LOGGED_IN)
@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    """Takes a code of it. Everybody who does that logs in again."""
    user = cast(User, request.user)
    if CODES_FOR.too_many(_key(user)):
        return _locked(request, user)
    if not _accepted(user, request.POST.get("code", "")):
        messages.error(request, _("This code is not the right one; try the next."))
        return redirect("factor")
    factors.remove(user, by=user)
    logins.end(request)
    logout(request)
    return redirect("login")


@takes(Open.LOGGED_IN)
@never_cache
def codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes by POST and a code; GET shows them the once."""
    user = cast(User, request.user)
    if request.method == "POST":
        if CODES_FOR.too_many(_key(user)):
            return _locked(request, user)
        if not _accepted(user, request.POST.get("code", "")):
            messages.error(request, _("This code is not the right one; try the next."))
            return redirect("factor")
        factors.renew_codes(user)
        request.session[SHOW_CODES] = True
        return redirect("factor-codes")
    if not request.session.pop(SHOW_CODES, False):
        return redirect("factor")
    return render(request, "codes.html", {"codes": factors.recovery_codes(user)})


def _accepted(user: User, code: str) -> str | None:
    if kind := factors.accept(user, code):
        CODES_FOR.was_right(_key(user))
        return kind
    CODES_FOR.was_wrong(_key(user))
    logins.failed(user.get_username(), way=factors.ONE_TIME)
    return None


def _added(request: HttpRequest, user: User) -> bool:
    secret = _kept(request, user)
    if not secret or not factors.add(user, secret, request.POST.get("code", "")):
        CODES_FOR.was_wrong(_key(user))
        return False
    del request.session[SECRET]
    request.session[SHOW_CODES] = True
    return True


def _to_scan(request: HttpRequest, user: User) -> dict[str, str]:
    """A secret for an authenticator app; the same until it is added."""
    secret = _kept(request, user)
    if not secret:
        secret = generate_totp_secret()
        request.session[SECRET] = [user.pk, vault.hide(secret)]
    adapter = get_adapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(user, secret))
    image = base64.b64encode(svg.encode()).decode()
    return {"secret": secret, "image": f"data:image/svg+xml;base64,{image}"}


def _kept(request: HttpRequest, user: User) -> str:
    """Empty where there is none, or it was shown to somebody else who sat here before."""
    whose, hidden = request.session.get(SECRET, (None, ""))
    return vault.show(hidden) if whose == user.pk else ""


def _locked(request: HttpRequest, user: User) -> HttpResponse:
    logins.locked(user.get_username(), f"code {user.pk}")
    return render(request, "locked.html", status=429)


def _key(user: User) -> str:
    return str(user.pk)
