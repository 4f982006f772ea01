"""Logging in with a password, and out."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from webapp import logins
from webapp.access import Open, takes
from webapp.guessing import PASSWORDS_FOR, PASSWORDS_FROM


class LogIn(LoginView):
    template_name = "login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if PASSWORDS_FROM.too_many(self._address) or PASSWORDS_FOR.too_many(self._name):
            # Before anything is compared: what is right is not told from what is wrong.
            logins.locked(self._name, f"{self._address} {self._name}")
            return render(request, "locked.html", status=429)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        PASSWORDS_FOR.was_right(self._name)
        logins.begin(self.request, form.get_user())
        return redirect(self.get_success_url())

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
