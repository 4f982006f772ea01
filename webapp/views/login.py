"""Logging in with a password, and out."""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.module_loading import import_string

from webapp import logins
from webapp.access import Open, takes
from webapp.guessing import PASSWORDS_FOR, PASSWORDS_FROM


class LogIn(LoginView):
    template_name = "login.html"

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        provider = settings.OIDC_LABEL if settings.OIDC_ISSUER else ""
        return super().get_context_data(provider=provider, **more)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if PASSWORDS_FROM.too_many(self._address) or PASSWORDS_FOR.too_many(self._name):
            # Before anything is compared: what is right is not told from what is wrong.
            logins.locked(self._name, f"{self._address} {self._name}")
            return render(request, "locked.html", status=429)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        PASSWORDS_FOR.was_right(self._name)
        enter = import_string(settings.ENTRANCE)
        answer: HttpResponse = enter(self.request, form.get_user(), to=self.get_success_url())
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        PASSWORDS_FROM.was_wrong(self._address)
        PASSWORDS_FOR.was_wrong(self._name)
        if getattr(self.request, "axes_locked_out", False):
            logins.locked(self._name, f"{self._address} {self._name}")
        else:
            logins.failed(self._name)
        return super().form_invalid(form)

    @property
    def _address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))

    @property
    def _name(self) -> str:
        return self.request.POST.get("username", "").strip().lower()[:150]


class LogOut(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        logins.end(request)
        return super().post(request, *args, **kwargs)


log_in = takes(Open.ANYBODY)(LogIn.as_view())
log_out = takes(Open.ANYBODY)(LogOut.as_view())
