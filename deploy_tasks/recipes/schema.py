"""The recipe format, version 1: one model for what each key may be. docs/RECIPES.md explains it.

What has to fit together across the keys is checked in deploy_tasks.recipes.parsing.
"""

from typing import Annotated, Any, Literal, get_args

from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from deploy_tasks.durations import Duration, PositiveDuration
from deploy_tasks.names import Name

VarType = Literal[
    "string",
    "int",
    "bool",
    "path",
    "port",
    "duration",
    "name",
    "version",
    "sha256",
    "choice",
    "secret",
    "list",
]
VAR_TYPES: tuple[VarType, ...] = get_args(VarType)

DEFAULT_TIMEOUT = 600.0
#: A probe of a wait is cut after this, or after ``every`` where that is longer.
PROBE_LIMIT = 10.0


def _script(text: str) -> str:
    if not text.strip():
        raise ValueError(_("is empty; write the commands, or leave the key out"))
    if "\0" in text:
        raise ValueError(_("has a NUL character, which no shell can read"))
    return text


Script = Annotated[str, AfterValidator(_script)]


def _as(text: str) -> dict[str, Any]:
    """How the default of a duration is written in a file, for the JSON schema."""
    return {"json_schema_extra": {"default": text}}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Var(_Part):
    """A value that the scripts are given as a shell variable."""

    type: VarType = Field(description="what it may hold")
    required: bool = Field(False, description="a host or its game must set it")
    default: Any = Field(None, description="its value where nobody sets it")
    help: str = Field("", description="one line for the person who sets it")
    ask: bool = Field(False, description="a job may set it")
    choices: list[str] | None = Field(None, description="what a var of type choice may be")


class Wait(_Part):
    """Good after ``run`` has ended 0 without exception for ``stable_for``, and ``times`` times.
    All times in seconds."""

    run: Script = Field(description="the probe; exit status 0 is good")
    every: PositiveDuration = Field(2.0, description="time between two probes", **_as("2s"))
    stable_for: Duration = Field(
        10.0, description="how long it must be good without exception", **_as("10s")
    )
    times: int = Field(2, ge=2, le=1000, description="how often in a row it must be good")
    at_most: PositiveDuration = Field(
        120.0, description="failed when it is not good by then", **_as("2m")
    )

    @model_validator(mode="after")
    def _can_be_good(self) -> "Wait":
        if (self.times - 1) * self.every >= self.at_most:
            raise ValueError(
                _("it cannot be good %(times)s times, one every %(every)g s, within %(most)g s")
                % {"times": self.times, "every": self.every, "most": self.at_most}
            )
        return self

    @property
    def probe_limit(self) -> float:
        return max(self.every, PROBE_LIMIT)


class Retries(_Part):
    """New attempts by themselves after a known failure. ``delay`` in seconds."""

    times: int = Field(ge=1, le=100, description="how many more attempts")
    delay: Duration = Field(5.0, description="time before each of them", **_as("5s"))


def _timeout(step: dict[str, Any]) -> float:
    wait: Wait | None = step.get("wait")
    # The watchdog is only the second net of a wait: its own end must come first.
    return wait.at_most + wait.probe_limit + wait.every if wait else DEFAULT_TIMEOUT


class Step(_Part):
    """One named part of a recipe. Exactly one of ``run``, ``upload`` and ``wait``."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [action]} for action in ("run", "upload", "wait")]
        }
    )

    name: Name = Field(description="what people see tick by")
    run: Script | None = Field(None, description="sh text, run as sh -eu")
    upload: Literal["artifact"] | None = Field(
        None, description="brings the release's artifact to $artifact"
    )
    wait: Wait | None = Field(None, description="waits until a probe stays good")
    done_if: Script | None = Field(
        None, description="asked just before; exit status 0: the work is already there, skip"
    )
    timeout: PositiveDuration = Field(
        default_factory=_timeout, description="of one attempt; 10 min, a wait has its own end"
    )
    retries: Retries | None = Field(None, description="new attempts after a known failure")
    repeat: Literal["safe", "ask", "never"] = Field(
        "ask", description="what to do when the outcome is lost"
    )
    interrupt: Literal["now", "after"] = Field(
        "now", description="after: a cancel waits for the end of this step"
    )
    disruptive: bool = Field(False, description="players feel it from this step on")
    optional: bool = Field(False, description="its failure is recorded and the host run goes on")
    undo: Script | None = Field(None, description="takes this step back")
    always: bool = Field(False, description="runs at the end whatever happened")

    @model_validator(mode="after")
    def _one_action(self) -> "Step":
        given = [key for key in ("run", "upload", "wait") if getattr(self, key) is not None]
        if len(given) != 1:
            found = ", ".join(given) or _("none of them")
            raise ValueError(
                _("a step has exactly one of run, upload and wait; this one has: %(found)s")
                % {"found": found}
            )
        if self.retries and self.repeat == "never":
            raise ValueError(_("retries cannot stand beside repeat: never; leave one of them out"))
        return self


class OpenGsq(_Part):
    """One of the protocols that opengsq speaks."""

    protocol: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")] = Field(
        description="its name there: quake3, samp, unreal2 …"
    )
    port: str = Field(description="the var with the port")


WAYS = ("run", "minecraft", "a2s", "opengsq")


class Query(_Part):
    """How the running game is asked what it is. Exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [way]} for way in WAYS]})

    run: Script | None = Field(
        None, description="sh text, run on the host; prints lines: version 1.2, players 3"
    )
    minecraft: str | None = Field(
        None, description="the var with the port that a worker asks as a player's client would"
    )
    a2s: str | None = Field(
        None, description="the var with the query port that a worker asks as Steam would"
    )
    opengsq: OpenGsq | None = Field(
        None, description="another protocol, where the workers have opengsq"
    )

    @model_validator(mode="after")
    def _one_way(self) -> "Query":
        if sum(getattr(self, way) is not None for way in WAYS) != 1:
            raise ValueError(
                _("a query has exactly one of these: %(ways)s") % {"ways": ", ".join(WAYS)}
            )
        return self

    @property
    def port(self) -> str | None:
        """The var with the port that a worker asks; None: the host is asked over SSH."""
        return self.minecraft or self.a2s or (self.opengsq.port if self.opengsq else None)


class Recipe(_Part):
    """The ordered, typed steps that bring a host to a release."""

    name: Name = Field(alias="recipe", description="its name")
    summary: str = Field("", description="one line for the person who chooses it")
    vars: dict[str, Var] = Field(default_factory=dict, description="values the scripts are given")
    current: Script | None = Field(None, description="prints the version now on the host")
    query: Query | None = Field(None, description="asks the running game what it is")
    sudo: Annotated[tuple[Script, ...], Field(strict=False)] = Field(
        (), description="commands that the steps run by sudo, without the word sudo"
    )
    on_failure: Literal["stop", "undo"] = Field(
        "stop", description="leave the host as it is, or undo its steps"
    )
    lock: str | None = Field(
        None, description="a var whose value one host run at a time may have on a machine"
    )
    steps: Annotated[tuple[Step, ...], Field(strict=False)] = Field(
        description="what is done, in this order", json_schema_extra={"minItems": 1}
    )


def json_schema() -> dict[str, Any]:
    """The format as a JSON schema, for editors. Kept in docs/recipe.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Recipe.model_json_schema(),
        "title": "Patchwave recipe, version 1",
    }
