"""docs/API.md knows every command, call, frame and kind of event."""

import argparse
import re

import pytest

from deploy_tasks.models import Event
from deploy_tasks.orders import Plan
from webapp import protocol, shapes
from webapp.api import api
from webapp.cli.arguments import parser
from webapp.env import BASE

DOCS = (BASE / "docs" / "API.md").read_text()


def commands() -> list[str]:
    (choices,) = (
        action.choices
        for action in parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return list(choices)


def calls() -> list[str]:
    return [
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in api.get_openapi_schema(path_prefix="/api/v1")["paths"].items()
        for method in methods
    ]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"^\| .*`{command} [A-Z]|`{command} \[--", DOCS, re.MULTILINE)


@pytest.mark.parametrize("script", [path.name for path in (BASE / "bin").iterdir()])
def test_every_script_a_person_starts_is_documented(script: str) -> None:
    if script not in ("in-venv", "bench"):
        assert f"| `bin/{script}" in DOCS


@pytest.mark.parametrize("call", calls())
def test_every_call_is_documented(call: str) -> None:
    assert re.search(rf"`{re.escape(call)}[`?]", DOCS)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("POST /jobs/plan", [Plan]),
        ("POST /jobs/preflight", [shapes.PreflightReport, shapes.HostFinding, shapes.FindingPart]),
        ("GET /jobs", [shapes.JobPage]),
        ("GET /jobs/{job_id}", [shapes.JobReport, shapes.BatchReport]),
        ("GET /jobs/{job_id}/hosts", [shapes.HostRunList, shapes.HostRunReport]),
        (
            "GET /jobs/{job_id}/pace",
            [shapes.PaceReport, shapes.StepPace, shapes.HangingReport, shapes.BrokerTrouble],
        ),
        (
            "GET /jobs/{job_id}/failures",
            [
                shapes.FailureList,
                shapes.CauseReport,
                shapes.DifferenceReport,
                shapes.FactReport,
                shapes.FailureReport,
            ],
        ),
        ("GET /jobs/{job_id}/events", [shapes.EventPage]),
        ("GET /jobs/{job_id}/story", [shapes.StoryPage]),
        ("GET /jobs/{job_id}/hosts/{name}/variables", [shapes.VariableList, shapes.VariableReport]),
        ("GET /jobs/{job_id}/hosts/{name}/attempts", [shapes.AttemptList, shapes.AttemptReport]),
        ("GET /jobs/{job_id}/hosts/{name}/output", [shapes.OutputPage]),
        ("GET /jobs/{job_id}/hosts/{name}/lines", [shapes.LinePage, shapes.LineReport]),
        ("GET /jobs/{job_id}/search", [shapes.SearchPage, shapes.SearchHit]),
        ("POST /hosts/approve-keys", [shapes.ListedKeys, shapes.KeyRuleReport]),
        ("GET /calls", [shapes.CallReport]),
    ],
)
def test_every_key_of_an_answer_is_documented(call: str, told: list[type]) -> None:
    (row,) = re.findall(rf"^\| .*`{re.escape(call)}[`?].*", DOCS, re.MULTILINE)
    keys = [key for shape in told for key in shape.__annotations__]
    assert [key for key in keys if not re.search(rf"\b{key}\b", row)] == []


def test_no_call_is_documented_that_is_gone() -> None:
    named = re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^`?]+)", DOCS)
    assert set(named) - {"GET /healthz", "GET /readyz"} == set(calls())


@pytest.mark.parametrize("kind", Event.Kind.values)
def test_every_kind_of_event_is_documented(kind: str) -> None:
    assert re.search(rf"^\| `{kind}` \| `", DOCS, re.MULTILINE)


@pytest.mark.parametrize("frame", protocol.FRAMES)
def test_every_frame_of_a_client_is_documented(frame: str) -> None:
    assert f'{{"t":"{frame}"' in DOCS


def test_every_frame_of_the_server_is_documented() -> None:
    sources = [(BASE / "webapp" / f"{name}.py").read_text() for name in ("watcher", "consumers")]
    said = {frame for source in sources for frame in re.findall(r'\bsay\(\s*"(\w+)"', source)}
    assert said
    assert {frame for frame in said if f'{{"t":"{frame}"' not in DOCS} == set()


@pytest.mark.parametrize("code", protocol.Close)
def test_every_close_code_is_documented(code: protocol.Close) -> None:
    assert re.search(rf"\b{code.value}\b", DOCS)
