"""Django's settings. Values a person may choose come from webapp.env, nothing else reads it."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from webapp import keys
from webapp.env import BASE, env, pairs, variable
from webapp.proxies import networks

BASE_DIR = BASE
HOME = env.home
WORKER_THREADS = env.worker_threads
OUTPUT_LIMIT = env.output_limit
KEEP_ON_HOSTS_DAYS = env.keep_on_hosts_days
KEEP_OUTPUT_DAYS = env.keep_output_days
KEEP_ARTIFACTS_ON_HOSTS = env.keep_artifacts_on_hosts
ARTIFACTS = HOME / "artifacts"
ARTIFACTS_FROM = env.artifacts_from
PROGRAMS = env.runs
# Every process seals with public keys below HOME; only workers get at the private ones.
PRIVATE_KEYS = env.private_keys or HOME / "keys" / "seal"
VARIABLE = variable
FAILPOINT = env.failpoint
LOOK_EVERY_HOURS = env.look_every_hours
# Night calls: where they may go, and how often one is tried.
CALL_SCHEMES = env.call_schemes.split(",") if env.call_schemes else []
CALL_NETWORKS = env.call_networks.split(",") if env.call_networks else []
CALL_TRIES = env.call_tries
SECRET_KEY = keys.django_secret(HOME)
DEBUG = env.debug
# Programs on this machine reach the site by loopback, whatever its public name is.
ALLOWED_HOSTS = [*env.names, "127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "ninja",
    "deploy_tasks",
    "webapp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webapp.packed.Packed",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "webapp.private.Private",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "webapp.sessions.Ages",
    "webapp.gate.Gate",
    "webapp.refusals.Refusals",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "webapp.whence.whence",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]


#: A peer that is gone without a word is noticed within about 30 s, on both sides; a process that
#: stands still in a transaction keeps its rows from the others for no longer than a lease lasts.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": "-c idle_in_transaction_session_timeout=15s -c tcp_keepalives_idle=15"
    " -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30s",
}


def postgresql(url: str) -> dict[str, Any]:
    """Django's words for a URL; what it has none for, such as ``sslmode``, goes to libpq."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    host, port = options.pop("host", parts.hostname), options.pop("port", parts.port)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host or "",
        "PORT": str(port or ""),
        "OPTIONS": {**PATIENCE, **options},
    }


def database() -> dict[str, Any]:
    if env.database_url:
        return postgresql(env.database_url)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "patchwave.sqlite3",
        "OPTIONS": {
            # A writer takes its turn at BEGIN; a read that later wants to write can not deadlock.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=4000;"
            ),
        },
        # A file also in tests: threads, consumers and a worker share it.
        "TEST": {"NAME": HOME / "test.sqlite3"},
    }


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Database 0 rings watchers; database 1 carries Celery's bells, unless a RabbitMQ does.
VALKEY_SOCKET = env.run_dir / "valkey.sock"
REDIS_URL = env.redis_url or f"unix://{VALKEY_SOCKET}"
LAYER_URL = f"{REDIS_URL}?db=0" if REDIS_URL.startswith("unix://") else f"{REDIS_URL}/0"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [LAYER_URL]},
    }
}
CELERY_BROKER_URL = env.broker_url or (
    f"redis+socket://{REDIS_URL.removeprefix('unix://')}?virtual_host=1"
    if REDIS_URL.startswith("unix://")
    else f"{REDIS_URL}/1"
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Bells are heard by few: host runs have threads of their own, WORKER_THREADS of them.
CELERY_WORKER_CONCURRENCY = 16
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A worker works without a broker: it waits for one that is away or full for as long as that takes.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# A page must not wait for a broker that is away: the reconciler rings later.
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}
if env.broker_url:
    # Who only sends would never beat, and RabbitMQ would hang up on them; TCP tells who is gone.
    CELERY_BROKER_HEARTBEAT = 0
    # Whether a bell was heard is known at once, also where the connection has died unseen.
    CELERY_BROKER_TRANSPORT_OPTIONS |= {"confirm_publish": True, "read_timeout": 10}
else:
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "visibility_timeout": 3600,
    }
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BEAT_SCHEDULE_FILENAME = str(env.run_dir / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "reconcile": {"task": "deploy_tasks.tasks.reconcile", "schedule": 5.0},
    "sweep": {"task": "deploy_tasks.tasks.sweep", "schedule": 3600.0},
    "look-around": {"task": "deploy_tasks.tasks.look_around", "schedule": 3600.0},
    "drop-old-output": {"task": "deploy_tasks.tasks.drop_old_output", "schedule": 3600.0},
}

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 86_400  # seconds; of the link that the first start prints
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_TEMPLATE = "locked.html"
AXES_CLIENT_IP_CALLABLE = "webapp.proxies.address_of"
AXES_DISABLE_ACCESS_LOG = True  # the audit has who logged in and out
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# How a right password leads to a log-in: at once, or by what webapp.identity adds.
ENTRANCE = "webapp.logins.enter"
IDENTITY = env.identity
SECOND_FACTOR = env.second_factor
OIDC_ISSUER = env.oidc_issuer
OIDC_LABEL = env.oidc_label
OIDC_CLIENT_ID = env.oidc_client_id
OIDC_CLIENT_SECRET = env.oidc_secret
OIDC_SCOPES = env.oidc_scopes.split()
OIDC_NAME_CLAIM = env.oidc_name_claim
OIDC_GROUPS_CLAIM = env.oidc_groups_claim
OIDC_GROUPS = pairs(env.oidc_groups)
PASSWORDS_FOR = [name for name in env.passwords_for.split(",") if name]
if IDENTITY:
    from webapp.identity.configuration import *  # noqa: F403
    from webapp.identity.configuration import APPS, BACKENDS, ITS_MIDDLEWARE

    INSTALLED_APPS += APPS
    MIDDLEWARE += ITS_MIDDLEWARE
    AUTHENTICATION_BACKENDS[1:] = BACKENDS
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"

SITE_ORIGIN = env.site
_site = urlsplit(SITE_ORIGIN)
SECURE_SITE = _site.scheme == "https"
# Browsers do not tell ports apart: two instances on one machine would log each other's people out.
_port = _site.port or (443 if SECURE_SITE else 80)
SESSION_COOKIE_NAME = f"patchwave-session-{_port}"
CSRF_COOKIE_NAME = f"patchwave-csrf-{_port}"
SESSION_AGE = timedelta(days=env.session_days)
SESSION_IDLE = timedelta(hours=env.session_idle_hours)
SESSION_COOKIE_AGE = int(SESSION_IDLE.total_seconds())  # until webapp.sessions has set the end
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SITE
SECURE_SSL_REDIRECT = SECURE_SITE
# Load balancers and bin/serve ask over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
# No SECURE_PROXY_SSL_HEADER: webapp.proxies reads what proxies say, and whom to believe.
TRUSTED_PROXIES = networks(env.trusted_proxies)
BIND = env.bind
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SITE else 0
# Sub-domains and the browsers' preload list are the owner's domain's business, not ours.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
CSRF_TRUSTED_ORIGINS = [SITE_ORIGIN]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = SECURE_SITE
LOCALE_PATHS = [BASE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE / "webapp" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "webapp.storage.StaticFiles"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "webapp.logs.Spelled",
            "fmt": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "filters": {"seldom": {"()": "webapp.logs.Seldom"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Our own errors say what happened to a connection; paramiko would print tracebacks.
        "paramiko": {"level": "CRITICAL"},
        "axes": {"level": "WARNING"},
        # It would write down the links that it follows, signatures and all.
        "httpx": {"level": "WARNING"},
        "channels_redis.pubsub": {"filters": ["seldom"]},
    },
}
