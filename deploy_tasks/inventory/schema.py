"""What an entry of an inventory file may say: one model for each section."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from deploy_tasks import ssh
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Credential
from deploy_tasks.names import Name
from deploy_tasks.rollout import Rollout

Section = Literal["credentials", "games", "releases", "hosts"]

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\$-]{0,63}")


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError(_("must not be empty"))
    if not text.isprintable():
        raise ValueError(_("has a line break or a control character; write plain text"))
    return text


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        if _HOST_NAME.fullmatch(text) and ".." not in text:
            return text
    raise ValueError(_("must be a host name or an IP address alone, without user, port, brackets"))


def _user(text: str) -> str:
    if _USER.fullmatch(text) is None:
        raise ValueError(_("must be the name of a user on the host"))
    return text


def _sha256(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) is None:
        raise ValueError(_("must be a SHA-256 in 64 hexadecimal digits; leave it out to have it"))
    return text.lower()


def _host_keys(given: object) -> list[str]:
    keys = given if isinstance(given, list) else [given]
    if not keys:
        raise ValueError(_("is empty; write a public key, or leave it out"))
    return sorted({_host_key(key) for key in keys})


def _host_key(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError(_("must be a public key such as “ssh-ed25519 AAAA…”, or a list of them"))
    words = given.split()
    # A line of ssh-keyscan or known_hosts begins with the host's name.
    if len(words) > 2 and words[1].startswith(("ssh-", "ecdsa-")):
        words = words[1:]
    key = " ".join(words[:2])
    try:
        ssh.fingerprint(key)
    except InvalidInput as finding:
        raise ValueError(finding.message)
    return key


Text = Annotated[str, AfterValidator(_filled)]
Vars = dict[str, Any]
#: Presets by name; spelled out where a job is started.
Rollouts = Annotated[
    dict[Name, Rollout],
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "object"}}),
]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SecretSource(_Entry):
    env: Text | None = None
    file: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "SecretSource":
        if (self.env is None) == (self.file is None):
            raise ValueError(_("must name one source: {env: VARIABLE} or {file: path}"))
        return self


class CredentialEntry(_Entry):
    name: Name
    private_key_file: Text | None = None
    passphrase: SecretSource | None = None
    agent: Text | None = None
    certificate_file: Text | None = None
    secret: SecretSource | None = None

    @property
    def kind(self) -> Credential.Kind:
        return Credential.Kind.SECRET if self.secret else Credential.Kind.SSH_KEY

    @model_validator(mode="after")
    def _one_content(self) -> "CredentialEntry":
        contents = [self.private_key_file, self.agent, self.secret]
        if len([one for one in contents if one is not None]) != 1:
            raise ValueError(_("a credential has a private_key_file, an agent or a secret"))
        if self.passphrase and not self.private_key_file:
            raise ValueError(_("a passphrase is of a private_key_file"))
        if self.certificate_file and self.secret:
            raise ValueError(_("a certificate_file is of an SSH key"))
        return self


class GameEntry(_Entry):
    name: Name
    recipe: Text
    vars: Vars | None = None
    rollouts: Rollouts | None = None

    @property
    def recipe_is_path(self) -> bool:
        return "/" in self.recipe or self.recipe.endswith((".yml", ".yaml"))


class ReleaseEntry(_Entry):
    game: Name
    version: Name
    artifact: Text | None = None
    sha256: Annotated[str, AfterValidator(_sha256)] | None = None

    @property
    def name(self) -> str:
        return f"{self.game} {self.version}"

    @model_validator(mode="after")
    def _sum_of_something(self) -> "ReleaseEntry":
        if self.sha256 and not self.artifact:
            raise ValueError(_("a sha256 without an artifact; name the file it is the sum of"))
        return self


class HostEntry(_Entry):
    """Keys that are left out keep what the host has; null empties one that may be empty."""

    name: Name
    game: Name
    address: Annotated[str, AfterValidator(_address)]
    port: int = Field(22, ge=1, le=65535)
    user: Annotated[str, AfterValidator(_user)]
    credential: Name
    host_key: Annotated[list[str], BeforeValidator(_host_keys)] = []
    labels: dict[Name, Text] | None = None
    machine: Name | None = None
    via: Name | None = None
    vars: Vars | None = None


SECTIONS: dict[Section, type[_Entry]] = {
    "credentials": CredentialEntry,
    "games": GameEntry,
    "releases": ReleaseEntry,
    "hosts": HostEntry,
}
