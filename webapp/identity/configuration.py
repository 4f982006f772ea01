"""What Django and django-allauth are told where `settings.IDENTITY`; settings.py takes it all."""

from importlib.util import find_spec

if find_spec("allauth") is None:
    raise SystemExit(
        "PATCHWAVE_SECOND_FACTOR and PATCHWAVE_OIDC_ISSUER need more than Patchwave installs by "
        "itself: bin/in-venv pip install -r requirements-login.txt"
    )

APPS = [
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]
ITS_MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
ENTRANCE = "webapp.identity.stages.enter"
PASSWORDS = "webapp.identity.backends.Passwords"
PROVIDED = "webapp.identity.backends.Provided"
BACKENDS = [PASSWORDS, PROVIDED]

ACCOUNT_ADAPTER = "webapp.identity.stages.Accounts"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False  # webapp.guessing slows, for every kind of log-in alike
MFA_ADAPTER = "webapp.identity.factors.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_RECOVERY_CODE_DIGITS = 10
MFA_TOTP_ISSUER = "Patchwave"
SOCIALACCOUNT_ADAPTER = "webapp.identity.provider.People"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
