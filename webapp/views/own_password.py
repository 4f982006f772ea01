"""A link with which the first administrator chooses a password, in place of the printed one.

It proves who made it and is kept nowhere. It ends after `PASSWORD_RESET_TIMEOUT`, and as soon as
its user has logged in or has another password: it is good once.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from deploy_tasks import audit
from webapp.access import Open, takes


def link(user: User) -> str:
    named = {
        "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
        "token": default_token_generator.make_token(user),
    }
    return f"{settings.SITE_ORIGIN}{reverse('own-password', kwargs=named)}"


class OwnPassword(PasswordResetConfirmView):
    template_name = "own_password.html"
    success_url = reverse_lazy("login")

    @method_decorator(transaction.atomic)
    def form_valid(self, form: Any) -> HttpResponse:
        name = form.user.get_username()
        audit.record(name, "change_password", name)
        return super().form_valid(form)


own_password = takes(Open.ANYBODY)(OwnPassword.as_view())
