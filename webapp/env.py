"""The one reader of the environment: `PATCHWAVE_*` variables, or a `.env` file beside manage.py.

Every field here stands in deploy/env.example; a test keeps it so. A setting that cannot be used
ends the program that was starting with one sentence that names the variable.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from dotenv.parser import Binding, parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from webapp.proxies import networks
from webapp.words import _

BASE = Path(__file__).resolve().parent.parent
PREFIX = "PATCHWAVE_"
# Read by bin/in-venv before any Python runs, and by this module before any field.
BEFORE_FIELDS = {"PATCHWAVE_VENV", "PATCHWAVE_ENV_FILE"}
# What bin/serve keeps running, beside the embedded Valkey.
PROGRAMS = ("web", "worker", "beat")
# A unix socket's address holds 107 bytes; the longest name below run/ needs 20 of them.
LONGEST_RUN_DIR = 86
# Ten years: no clock overflows.
LONGEST_DAYS = 3650


def _absolute(path: Path) -> Path:
    try:
        return (BASE / path.expanduser()).resolve()
    except RuntimeError:
        raise ValueError(_("begins with no user's home")) from None


def _split(url: str) -> SplitResult:
    """Raises ValueError, also for a port that is none."""
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018
    except ValueError:  # its words repeat what may be half of a password
        raise ValueError(_("the port is no number from 1 to 65535")) from None
    return parts


def _site(url: str) -> str:
    parts = _split(url)
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or more):
        raise ValueError(_("give scheme, host and port only, such as https://patchwave.example"))
    return url.rstrip("/")


def _postgresql(url: str) -> str:
    if url and _split(url).scheme not in ("postgresql", "postgres"):
        raise ValueError(_("give postgresql://user:password@host:port/name, or nothing for SQLite"))
    return url


def _redis(url: str) -> str:
    parts = _split(url)
    tcp = parts.scheme in ("redis", "rediss") and parts.hostname and not parts.path.strip("/")
    if url and not tcp and not (parts.scheme == "unix" and not parts.query):
        raise ValueError(_("give redis://host:port or unix:///path, without a database's number"))
    return url.rstrip("/")


def _amqp(url: str) -> str:
    parts = _split(url)
    if url and not (parts.scheme in ("amqp", "amqps") and parts.hostname):
        raise ValueError(_("give amqp://user:password@host:port/vhost, or nothing for Redis"))
    return url


def _programs(programs: str) -> str:
    named = {name.strip() for name in programs.split(",")}
    if not named or not named <= set(PROGRAMS):
        raise ValueError(_("name some of %s, separated by commas") % ",".join(PROGRAMS))
    return ",".join(name for name in PROGRAMS if name in named)


def _networks(text: str) -> str:
    try:
        networks(text)
    except ValueError as error:
        raise ValueError(
            _("give networks such as 10.0.0.0/8, separated by commas: %s") % error
        ) from None
    return text


def _names(names: str) -> str:
    if "/" in names:
        raise ValueError(_("give names without scheme or path, separated by commas"))
    return names


def _words(text: str) -> str:
    return ",".join(word for part in text.split(",") if (word := part.strip()))


def _issuer(url: str) -> str:
    parts = _split(url)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if url and not (parts.hostname and (parts.scheme == "https" or local)):
        raise ValueError("give the issuer's https://… address, as its discovery page names it")
    return url


def _pairs(text: str) -> str:
    pairs(text)
    return text


def pairs(text: str) -> dict[str, str]:
    """Of ``there=here,other=here``. Raises ValueError."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        there, sign, here = (part.strip() for part in pair.rpartition("="))
        if not (there and sign and here):
            raise ValueError("give pairs such as fleet-admins=administrators, separated by commas")
        found[there] = here
    return found


def is_loopback(bind: str) -> bool:
    return bind in ("localhost", "::1") or bind.startswith("127.")


class Env(BaseSettings):
    """What a person may choose. Paths are absolute; a relative one starts at the project."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        default=BASE / "var", description="where all state lives"
    )
    bind: str = Field(default="127.0.0.1", description="the address bin/serve listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="the port bin/serve listens on")
    allowed_hosts: Annotated[str, AfterValidator(_names)] = Field(
        default="", description="names this site answers to, separated by commas"
    )
    url: Annotated[str, AfterValidator(_site)] = Field(
        default="", description="the address people use; empty: follows bind and port"
    )
    database_url: Annotated[str, AfterValidator(_postgresql)] = Field(
        default="", description="postgresql://…; empty: SQLite below the home"
    )
    redis_url: Annotated[str, AfterValidator(_redis)] = Field(
        default="", description="redis://… or unix://…; empty: the embedded Valkey"
    )
    broker_url: Annotated[str, AfterValidator(_amqp)] = Field(
        default="", description="amqp://… of a RabbitMQ for Celery; empty: Redis carries that, too"
    )
    programs: Annotated[str, AfterValidator(_programs)] = Field(
        default=",".join(PROGRAMS), description="what bin/serve runs on this machine"
    )
    private_keys: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        default=None, description="where workers find what opens secrets; empty: <home>/keys/seal"
    )
    artifacts_from: Annotated[str, AfterValidator(_site)] = Field(
        default="", description="web process that a worker fetches artifacts from; empty: a folder"
    )
    worker_threads: int = Field(
        default=64, ge=1, le=2000, description="host runs at a time per worker"
    )
    output_limit: int = Field(
        default=1 << 30, ge=1 << 20, description="bytes stored of one attempt's output"
    )
    keep_on_hosts_days: int = Field(
        default=14,
        ge=1,
        le=LONGEST_DAYS,
        description="days after which a host run's files are removed from hosts",
    )
    keep_artifacts_on_hosts: int = Field(
        default=3, ge=1, description="how many artifacts stay on a host"
    )
    keep_output_days: int = Field(
        default=90,
        ge=0,
        le=LONGEST_DAYS,
        description="days after which an ended job's output is dropped; 0: never",
    )
    look_every_hours: int = Field(
        default=24,
        ge=0,
        le=24 * LONGEST_DAYS,
        description="hours after which a worker looks at a host anew; 0: never",
    )
    call_schemes: Annotated[str, AfterValidator(_words)] = Field(
        default="", description="what a pager's address may begin with; empty: https and services"
    )
    call_networks: Annotated[str, AfterValidator(_words)] = Field(
        default="", description="networks and names that night calls may reach beside public ones"
    )
    call_tries: int = Field(
        default=8, ge=1, le=50, description="how often a night call is tried, for about an hour"
    )
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default="127.0.0.0/8,::1", description="networks of proxies that tell who a request is from"
    )
    session_days: float = Field(
        default=7, gt=0, le=LONGEST_DAYS, description="days after which everybody must log in again"
    )
    session_idle_hours: float = Field(
        default=12,
        gt=0,
        le=24 * LONGEST_DAYS,
        description="hours without doing anything that end a log-in",
    )
    second_factor: Literal["", "offered", "maintainers", "everybody"] = Field(
        default="", description="who logs in with a code beside the password; empty: nobody can"
    )
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        default="", description="the OpenID Connect provider that people may log in by; empty: none"
    )
    oidc_client_id: str = Field(default="", description="as whom we are known to the provider")
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""), description="the provider's secret for us"
    )
    oidc_client_secret_file: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        default=None, description="a file that has it"
    )
    oidc_label: str = Field(default="single sign-on", description="what people call the provider")
    oidc_scopes: str = Field(default="openid profile", description="what the provider is asked for")
    oidc_name_claim: str = Field(
        default="preferred_username", description="the claim that is the user's name here"
    )
    oidc_groups_claim: str = Field(default="groups", description="the claim with people's groups")
    oidc_groups: Annotated[str, AfterValidator(_pairs)] = Field(
        default="", description="groups of the claim and ours, there=here, separated by commas"
    )
    passwords_for: Annotated[str, AfterValidator(_words)] = Field(
        default="", description="who alone logs in with a password; empty: everybody who has one"
    )
    token: SecretStr = Field(default=SecretStr(""), description="how bin/patchwave logs in")
    failpoint: str = Field(
        default="",
        pattern=r"^([a-z.-]+:(kill|stop)(:\d+)?)?$",
        description="tests only: where a process ends itself, see deploy_tasks/failpoints.py",
    )
    debug: bool = False

    @property
    def names(self) -> list[str]:
        """The names this site answers to: those the person gave, and that of the address."""
        given = [name.strip() for name in self.allowed_hosts.split(",") if name.strip()]
        host = urlsplit(self.url).hostname or ""
        host = f"[{host}]" if ":" in host else host
        return given if host in ("", *given) else [*given, host]

    @property
    def identity(self) -> bool:
        """Whether log-ins need what requirements-login.txt names."""
        return bool(self.second_factor or self.oidc_issuer)

    @property
    def oidc_secret(self) -> str:
        """Raises SystemExit with one sentence."""
        if self.oidc_client_secret_file is None:
            return self.oidc_client_secret.get_secret_value()
        try:
            return self.oidc_client_secret_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SystemExit(f"PATCHWAVE_OIDC_CLIENT_SECRET_FILE: {error}") from None

    @property
    def runs(self) -> list[str]:
        """The programs of this machine; where some are elsewhere, all share what they need."""
        return self.programs.split(",")

    @property
    def run_dir(self) -> Path:
        """Where sockets and pid files of this home are: below it, unless its path is too long."""
        inside = self.home / "run"
        if len(os.fsencode(inside)) <= LONGEST_RUN_DIR:
            return inside
        # Not XDG_RUNTIME_DIR: a cron job and a log-in shell must come to the same place.
        return Path("/tmp") / f"patchwave-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]}"  # noqa: S108 (made 0700 and checked by webapp.serve)

    @property
    def site(self) -> str:
        """The address people use, such as ``http://127.0.0.1:8000``."""
        if self.url:
            return self.url
        try:
            return (self.run_dir / "url").read_text().strip()  # what bin/serve last listened on
        except OSError:
            return site_of(self.bind, self.port, self.names)


def site_of(bind: str, port: int, names: list[str]) -> str:
    """The address people use for a server on ``bind`` and ``port``."""
    host = bind
    if not is_loopback(bind) and names:
        host = names[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def read(env_file: Path) -> Env:
    """The environment and ``env_file`` below it. Raises SystemExit with one sentence."""
    _check_file(env_file)
    try:
        return Env(_env_file=env_file)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        name = f"{PREFIX}{first['loc'][0]}".upper()
        raise SystemExit(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None


def for_programs(**changes: str) -> dict[str, str]:
    """The environment of a program that we start."""
    return {**os.environ, **changes}


def for_calls() -> dict[str, str]:
    """The environment of the program that goes out for a night call: nothing of ours is in it."""
    kept = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def variable(name: str) -> str | None:
    """A variable that is not a setting: one a person named as the source of a secret, or TERM."""
    return os.environ.get(name)


def _check_file(path: Path) -> None:
    """A line that says nothing, or sets what does not exist, must not be passed over in silence."""
    try:
        bindings = list(parse_stream(io.StringIO(path.read_text())))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(
            _("%(path)s cannot be read: %(error)s") % {"path": path, "error": error}
        ) from None
    known = {f"{PREFIX}{field}".upper() for field in Env.model_fields} | BEFORE_FIELDS
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            raise SystemExit(f"{path}:{_line(binding)}: " + _("write NAME=value"))
        if binding.key and binding.key.startswith(PREFIX) and binding.key not in known:
            unknown = _("%s is no setting; deploy/env.example has all") % binding.key
            raise SystemExit(f"{path}:{_line(binding)}: {unknown}")


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def env_file() -> Path:
    """Who names a file means it: without it everything would be as by default, in silence."""
    named = os.environ.get("PATCHWAVE_ENV_FILE")
    if named and not Path(named).exists():
        raise SystemExit(_("PATCHWAVE_ENV_FILE: there is no file %s") % named)
    return Path(named or BASE / ".env")


env = read(env_file())
