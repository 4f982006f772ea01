"""What is added to the pages where `settings.IDENTITY`. Names with _ are django-allauth's."""

from django.conf import settings
from django.urls import path

from webapp.identity import views
from webapp.views.login import log_in

urlpatterns = [
    path("login", log_in, name="account_login"),
    path("login/code", views.code, name="mfa_authenticate"),
    path("login/factor", views.first_factor, name="factor-first"),
    path("account/factor", views.factor, name="factor"),
    path("account/factor/remove", views.remove, name="factor-remove"),
    path("account/factor/codes", views.codes, name="factor-codes"),
]
if settings.OIDC_ISSUER:
    urlpatterns += [
        path("login/provider", views.start, name="oidc"),
        path("login/provider/done", views.done, name="oidc-done"),
    ]
