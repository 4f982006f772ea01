"""Log-in by one OpenID Connect provider: authorization code, PKCE, state, nonce, signed ID token.

Only the ID token is believed, and only with a good signature: django-allauth would take one over
TLS without looking, and knows no nonce. The provider's `sub` is who somebody is; nobody becomes a
local user by having the same name or address.
"""

import secrets
from typing import Any

import jwt
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from deploy_tasks import audit
from webapp import logins
from webapp.identity import groups, stages

Claims = dict[str, Any]

#: What can be verified with a key that everybody may know.
ALGORITHMS = [f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)]
ALGORITHMS.append("EdDSA")
#: Seconds by which the provider's clock and ours may differ.
LEEWAY = 60
#: In the session: what the ID token must have in it to be for this browser.
NONCE = "oidc-nonce"


def start(request: HttpRequest, *, to: str) -> HttpResponse:
    """Sends the browser to the provider. Raises requests' errors and OAuth2Error."""
    nonce = request.session.setdefault(NONCE, secrets.token_urlsafe(32))
    provider = OnlyProvider(request, app=_app())
    answer: HttpResponse = provider.redirect(
        request, "login", next_url=to, auth_params={"nonce": nonce}
    )
    return answer


class Wire(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """What is said to the provider, and what of its answers is believed."""

    def __init__(self, request: HttpRequest, provider_id: str = "oidc") -> None:
        super().__init__(request, provider_id)

    def get_provider(self) -> OpenIDConnectProvider:
        return OnlyProvider(self.request, app=_app())

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return f"{settings.SITE_ORIGIN}{reverse('oidc-done')}"

    @property
    def openid_config(self) -> dict[str, Any]:
        found: dict[str, Any] = super().openid_config
        if found.get("issuer") != settings.OIDC_ISSUER:
            raise OAuth2Error(f"the issuer calls itself {found.get('issuer')}")
        if missing := {"authorization_endpoint", "token_endpoint", "jwks_uri"} - found.keys():
            raise OAuth2Error(f"the provider's discovery page lacks {sorted(missing)}")
        return found

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: Any, *, response: Claims, **more: Any
    ) -> SocialLogin:
        nonce = request.session.pop(NONCE, "")
        claims = self._verified(str(response.get("id_token", "")))
        if not nonce or not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
            raise OAuth2Error("the ID token is not for this browser")
        login = self.get_provider().sociallogin_from_response(request, {"id_token": claims})
        login.account.extra_data = {}  # what the provider says is asked at each log-in
        login.claims = claims
        return login

    def _verified(self, token: str) -> Claims:
        try:
            claims: Claims = jwt.decode(
                token,
                self._key(jwt.get_unverified_header(token).get("kid")),
                algorithms=ALGORITHMS,
                audience=settings.OIDC_CLIENT_ID,
                issuer=settings.OIDC_ISSUER,
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            raise OAuth2Error(f"the ID token: {error}") from error
        if claims.get("azp", settings.OIDC_CLIENT_ID) != settings.OIDC_CLIENT_ID:
            raise OAuth2Error("the ID token was made for another")
        return claims

    def _key(self, key_id: str | None) -> jwt.PyJWK:
        with People().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(answer.json()).keys
        fitting = [
            key
            for key in keys
            if key_id in (None, key.key_id) and key.public_key_use in (None, "sig")
        ]
        if len(fitting) != 1:
            raise OAuth2Error("the ID token names no key of the provider")
        return fitting[0]


class OnlyProvider(OpenIDConnectProvider):  # type: ignore[misc]
    oauth2_adapter_class = Wire


class People(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who somebody is here that the provider knows."""

    def list_apps(self, request: HttpRequest, **given: Any) -> list[SocialApp]:
        return [_app()]

    @transaction.atomic
    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        claims: Claims = sociallogin.claims
        if not sociallogin.is_existing:
            sociallogin.connect(request, _newcomer(request, claims))
        groups.follow(sociallogin.user, claims.get(settings.OIDC_GROUPS_CLAIM))

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, *, exception: Any = None, **more: Any
    ) -> None:
        logins.failed("", way="provider")
        logins.log.warning("no log-in by the provider: %s", exception or more.get("error"))
        sentence = _("The log-in did not come about; try again, or ask an administrator.")
        raise ImmediateHttpResponse(stages.refusal(request, sentence, status=401))


def _newcomer(request: HttpRequest, claims: Claims) -> User:
    name = str(claims.get(settings.OIDC_NAME_CLAIM, ""))
    try:
        User._meta.get_field("username").clean(name, None)
    except ValidationError:
        sentence = _("The provider gives no name that can be used here: %s") % name[:150]
        raise ImmediateHttpResponse(stages.refusal(request, sentence))
    try:
        with transaction.atomic():
            if not User.objects.filter(username__iexact=name).exists():
                user = User.objects.create_user(name)
                audit.record(groups.PROVIDER, "add_user", name)
                return user
    except IntegrityError:
        pass
    sentence = _("There is a user %s already who is not of the provider; ask an administrator.")
    raise ImmediateHttpResponse(stages.refusal(request, sentence % name))


def _app() -> SocialApp:
    """The settings' one provider; no row."""
    return SocialApp(
        provider="openid_connect",
        provider_id="oidc",
        name=settings.OIDC_LABEL,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={
            "server_url": settings.OIDC_ISSUER.rstrip("/"),
            "scope": settings.OIDC_SCOPES,
            "oauth_pkce_enabled": True,
        },
    )
