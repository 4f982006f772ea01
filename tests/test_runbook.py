"""docs/RUNBOOK.md knows every sentence by which the product says that something is wrong."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from webapp import health
from webapp.env import BASE

RUNBOOK = (BASE / "docs" / "RUNBOOK.md").read_text()
GETTEXT = {"_", "gettext", "gettext_noop", "ngettext"}
#: Where all sentences are such, but for those below.
MODULES = [
    *("deploy_tasks/host_keys.py", "deploy_tasks/sudoers.py"),
    *("deploy_tasks/rotation.py", "deploy_tasks/sealed.py", "deploy_tasks/ssh/agent.py"),
    *("deploy_tasks/conductor.py", "deploy_tasks/restored.py", "deploy_tasks/vault.py"),
    *("deploy_tasks/runner", "deploy_tasks/retention.py", "deploy_tasks/hosts.py"),
    *("deploy_tasks/soaking.py", "deploy_tasks/checking.py", "deploy_tasks/orders/checks.py"),
    "deploy_tasks/audit",
    *("deploy_tasks/orders/answering.py", "deploy_tasks/orders/changes.py"),
    *("deploy_tasks/orders/starting.py", "deploy_tasks/orders/taken.py"),
    *("deploy_tasks/orders/rolling_back.py", "deploy_tasks/standing.py"),
    *("deploy_tasks/floors.py", "deploy_tasks/going_back.py"),
    *("deploy_tasks/orders/adjusting.py", "deploy_tasks/orders/records.py"),
    *("deploy_tasks/orders/pausing.py", "deploy_tasks/rollout/policy.py"),
    *("deploy_tasks/ssh/channel.py", "deploy_tasks/ssh/dial.py"),
    *("deploy_tasks/ssh/handshake.py", "deploy_tasks/ssh/session.py"),
    *("deploy_tasks/ssh/exchange.py", "deploy_tasks/ssh/login.py"),
    *("deploy_tasks/ssh/certificates.py", "deploy_tasks/key_rules.py"),
    *(
        "webapp/dangers.py",
        "webapp/serve.py",
        "webapp/backup",
        "webapp/management/commands",
        "webapp/cli/client.py",
    ),
    *("webapp/cli/local.py", "webapp/cli/story.py"),
]
GOOD_NEWS = {
    "already at it",
    "its work is there already",
    "left out by …",
    "excluded by …",
    "it is on the host already",
    "a person says that it ran",
    "Start Patchwave.",
    "default: …",
    "Stopped.",
    "Logs are in …. Ctrl-C stops it.",
    "Patchwave is ready: …",
    "Patchwave is ready, with its … on this machine.",
    "--port: give a number from 1 to 65535",
    "no answer",
    "nothing",
    "The audit holds: … entries, the last is ….",
    "… holds … entries of the audit, which are no longer here.",
}


def sentences() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        path = BASE / module
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for sentence in _of(file):
                yield str(file.relative_to(BASE)), sentence


def _of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in GETTEXT:
            # Of "one" and "many", many.
            texts = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
            if texts and isinstance(texts[-1], str):
                yield re.sub(r"%(\(\w+\))?[sdg]", "…", texts[-1])


@pytest.mark.parametrize(("file", "sentence"), sorted(set(sentences())))
def test_the_runbook_says_what_to_do_about(file: str, sentence: str) -> None:
    told = (
        sentence.startswith(("Log in as", "or choose one", "Restored as of"))
        or "holds … rows" in sentence
    )
    if sentence not in GOOD_NEWS and not told:
        assert sentence in RUNBOOK, f"{file} says it; docs/RUNBOOK.md has to explain it"


@pytest.mark.parametrize("part", health.PARTS)
def test_the_runbook_knows_every_part_of_readyz(part: str) -> None:
    assert f"| `{part}` |" in RUNBOOK


def test_what_the_runbook_quotes_of_readyz_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("webapp/health.py", "deploy_tasks/disk.py")
    source = "".join((BASE / path).read_text() for path in said)
    for part in health.PARTS:
        (row,) = re.findall(rf"\| `{part}` \| (.+?) \|", RUNBOOK)
        for word in re.findall(r"`(\w+)`", row):
            assert f'"{word}"' in source
