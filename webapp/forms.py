"""What the start page asks, and the order that comes of the answers."""

import re
from collections import Counter, defaultdict
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from deploy_tasks import floors, recipes, revisions
from deploy_tasks.errors import InvalidInput
from deploy_tasks.findings import said
from deploy_tasks.models import Game, Host, Job, Release
from deploy_tasks.orders import JobOrder
from deploy_tasks.rollout import Rollout, presets
from webapp.converters import number
from webapp.terms import terms

#: Up to so many hosts are picked from a list; more are named in a text.
PICK_UP_TO = 60
VERSIONS_SHOWN = 6
#: A label with more values is typed, not chosen from a list.
VALUES_SHOWN = 100

ALL, LABELS, NAMES = "all", "label", "names"
NOW, AT, STAGE, STAGE_AT = "now", "at", "stage", "stage_at"
#: Not the name of a preset: the rollout is in the fields beside it.
BY_HAND = "custom"
#: Nor this one: the rollout is that of the earlier job which the order is like.
LIKE = "#like"
TITLES = {
    "standard": gettext_lazy("Standard"),
    "careful": gettext_lazy("Careful"),
    "at_once": gettext_lazy("All at once"),
}


class JobForm(forms.Form):
    """Which release of one game, for which hosts, how carefully.

    ``order()`` is what was asked for. It is checked where every order is, when it is planned or
    started: ``refuse`` puts what is found there beside the field it is about.
    """

    key = forms.CharField(max_length=200)
    version = forms.ChoiceField()
    which = forms.ChoiceField(
        choices=[(ALL, ""), (LABELS, ""), (NAMES, "")], initial=ALL, required=False
    )
    host = forms.MultipleChoiceField(required=False)
    names = forms.CharField(required=False)
    rollout = forms.ChoiceField(initial="standard", required=False)
    canary = forms.IntegerField(required=False, min_value=0)
    batches = forms.CharField(required=False)
    parallel = forms.IntegerField(required=False, min_value=1)
    max_failed = forms.CharField(required=False)
    soak = forms.CharField(required=False)
    gate = forms.ChoiceField(choices=[("auto", ""), ("manual", "")], required=False)
    preflight = forms.BooleanField(required=False)
    when = forms.ChoiceField(
        choices=[(NOW, ""), (AT, ""), (STAGE, ""), (STAGE_AT, "")], initial=NOW, required=False
    )
    #: The page fills it in from the reader's own clock, as ISO 8601 in UTC.
    start_at = forms.CharField(required=False)
    note = forms.CharField(required=False, max_length=2000)
    force = forms.BooleanField(required=False)

    def __init__(self, game: Game, *args: Any, like: Job | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.game = game
        self.like = like
        revision = game.recipe.newest()
        self.recipe = revisions.recipe_of(revision)
        self.releases = list(game.releases.order_by("-pk"))
        self.hosts = list(Host.objects.filter(game=game).order_by("name").only("name", "labels"))
        earlier = {LIKE: Rollout.model_validate(like.rollout)} if like else {}
        self._presets = earlier | presets(game.rollouts)
        self._choice("rollout").choices = [(name, "") for name in (*self._presets, BY_HAND)]
        self._choice("version").choices = [(one.version, "") for one in self.releases]
        self._choice("host").choices = [(host.name, host.name) for host in self.hosts]
        for label, values in self.labels().items():
            self.fields[f"label_{label}"] = _label_field(label, values)
        for name, var in self.recipe.vars.items():
            if var.ask:
                self.fields[f"var_{name}"] = _var_field(name, var)

    def labels(self) -> dict[str, list[tuple[str, int]]]:
        """Labels of the game's hosts: each value with how many carry it."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for host in self.hosts:
            for label, value in host.labels.items():
                found[label][str(value)] += 1
        return {label: sorted(values.items()) for label, values in sorted(found.items())}

    @property
    def label_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("label_")]

    @property
    def var_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("var_")]

    @property
    def shown_releases(self) -> list[Release]:
        return self.releases[:VERSIONS_SHOWN]

    @property
    def older_releases(self) -> list[Release]:
        return self.releases[VERSIONS_SHOWN:]

    @property
    def chose_older(self) -> bool:
        return self["version"].value() in [release.version for release in self.older_releases]

    @property
    def pickable(self) -> list[Host]:
        """The hosts to pick from, where they are few."""
        return self.hosts if len(self.hosts) <= PICK_UP_TO else []

    @property
    def can_stage(self) -> bool:
        """Whether the recipe says where hosts begin to go down."""
        return floors.border(self.recipe) is not None

    @property
    def presets(self) -> list[tuple[str, str, str]]:
        """Name, title, and what it says."""
        return [
            (name, self._title(name), terms(rollout)) for name, rollout in self._presets.items()
        ]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("when") in (AT, STAGE_AT) and not given.get("start_at"):
            self.add_error("start_at", _("Say at what time."))
        return given

    def order(self) -> JobOrder | None:
        """None where it cannot be one; then ``errors`` say why."""
        given = self.cleaned_data
        try:
            return JobOrder(
                game=self.game.name,
                version=given["version"],
                vars=self._vars(),
                note=given["note"],
                force=given["force"],
                **self._how(),
                **self._when(),
                **self._which(),
            )
        except ValidationError as error:
            for found in error.errors():
                self.add_error(self._field(found["loc"]), said(found) or _("This cannot be used."))
            return None

    def refuse(self, error: InvalidInput) -> None:
        path = re.findall(r"[^.\[\]]+", error.field or "")
        self.add_error(self._field(tuple(path)), error.message)

    def _which(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given["which"] == NAMES:
            names = [*given["host"], *_words_of(given["names"])]
            return {"hosts": list(dict.fromkeys(names))}
        if given["which"] == LABELS:
            labels = {
                field.name.removeprefix("label_"): given[field.name]
                for field in self.label_fields
                if given.get(field.name)
            }
            return {"labels": labels} if labels else {"all": True}
        return {"all": True}

    def _how(self) -> dict[str, Any]:
        given = self.cleaned_data
        more: dict[str, Any] = {"preflight": True} if given["preflight"] else {}
        if given["when"] in (STAGE, STAGE_AT):
            more["stage"] = "ahead"
        if self.like and given["rollout"] == LIKE:
            return {"rollout": self.like.rollout | {"preflight": False, "stage": "in_batch"} | more}
        if given["rollout"] != BY_HAND:
            return {"preset": given["rollout"] or "standard", "rollout": more}
        asked = {
            "canary": given["canary"],
            "batches": _sizes(given["batches"]),
            "parallel": given["parallel"],
            "max_failed": _size(given["max_failed"]),
            "soak": given["soak"].strip(),
            "gate": given["gate"],
        }
        return {"rollout": {k: v for k, v in asked.items() if v not in (None, [], "")} | more}

    def _when(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {"start_at": given["start_at"]} if given["when"] in (AT, STAGE_AT) else {}

    def _vars(self) -> dict[str, Any]:
        given = {field.name: self.cleaned_data.get(field.name) for field in self.var_fields}
        return {
            name.removeprefix("var_"): value
            for name, value in given.items()
            if value not in ("", None)
        }

    def _field(self, path: tuple[str | int, ...]) -> str | None:
        """The field of this form that a path in an order is about, None for the whole form."""
        match [str(part) for part in path]:
            case ["hosts", *_rest]:
                return "names"
            case ["rollout", name, *_rest] if name in self.fields:
                return name
            case ["vars", name, *_rest] if f"var_{name}" in self.fields:
                return f"var_{name}"
            case [name, *_rest] if name in self.fields:
                return name
        return None

    def _title(self, preset: str) -> str:
        if self.like and preset == LIKE:
            return _("As in job #%s") % self.like.pk
        return str(TITLES.get(preset, preset))

    def _choice(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        return field


def _label_field(label: str, values: list[tuple[str, int]]) -> forms.Field:
    if len(values) > VALUES_SHOWN:
        return forms.CharField(label=label, required=False)
    counted = ((value, f"{value} ({count})") for value, count in values)
    choices = [("", gettext_lazy("any")), *counted]
    return forms.ChoiceField(label=label, required=False, choices=choices)


def _var_field(name: str, var: recipes.Var) -> forms.Field:
    options: dict[str, Any] = {"label": name, "help_text": var.help, "required": False}
    if var.type == "choice":
        choices = [
            ("", gettext_lazy("as the host says")),
            *((one, one) for one in var.choices or []),
        ]
        return forms.ChoiceField(choices=choices, **options)
    if var.type == "bool":
        choices = [("", gettext_lazy("as the host says")), ("true", "true"), ("false", "false")]
        return forms.ChoiceField(choices=choices, **options)
    return forms.CharField(**options)


def _sizes(text: str) -> list[int | str]:
    return [_size(part) for part in _words_of(text)]


def _size(text: str) -> Any:
    """A number counts hosts; everything else is taken as it is, and checked as the order is."""
    text = text.strip()
    counted = number(text)
    return text if counted is None else counted


def _words_of(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]
