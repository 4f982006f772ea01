"""Logging in with a password."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from webapp import sessions
from webapp.access import Open, takes
from webapp.guessing import PASSWORDS_FOR, PASSWORDS_FROM


class LogIn(LoginView):
    template_name = "login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if PASSWORDS_FROM.too_many(self._address) or PASSWORDS_FOR.too_many(self._name):
            # Before anything is compared: what is right is not told from what is wrong.
            return render(request, "locked.html", status=429)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        answer = super().form_valid(form)
        # Django keeps the key where the same person was logged in already.
        self.request.session.cycle_key()
        sessions.begin(self.request.session)
        PASSWORDS_FOR.was_right(self._name)
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        PASSWORDS_FROM.was_wrong(self._address)
        PASSWORDS_FOR.was_wrong(self._name)
        return super().form_invalid(form)

    @property
    def _address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))

    @property
    def _name(self) -> str:
        return self.request.POST.get("username", "").strip().lower()[:150]


log_in = takes(Open.ANYBODY)(LogIn.as_view())
