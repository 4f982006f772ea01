"""One owner per fact: what a reader finds with one grep stays true. (Who may import paramiko and
nacl is an import contract in pyproject.toml.)"""

import re
from pathlib import Path

import pytest

from webapp.env import BASE

SOURCES = [
    path
    for folder in ("deploy_tasks", "webapp")
    for path in (BASE / folder).rglob("*.py")
    if "migrations" not in path.parts
] + [BASE / "celery_app.py", BASE / "manage.py"]


@pytest.mark.parametrize(
    ("word", "owner"),
    [
        (r"\.group_send\(", "deploy_tasks/journal"),
        # Naming Django's settings is how each program begins.
        (r"os\.(environ(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE)|getenv)", "webapp/env.py"),
        (r"(?i)x[-_]forwarded", "webapp/proxies.py"),
        (r"import yaml\b", "deploy_tasks/yamlfile.py"),
        (r"AuditEntry\.objects\.create\(", "deploy_tasks/audit"),
        (r"import subprocess\b", ("webapp/serve.py", "webapp/calls/sending.py")),
    ],
)
def test_one_owner(word: str, owner: str | tuple[str, ...]) -> None:
    users = {_name(path) for path in SOURCES if re.search(word, path.read_text())}
    assert users, "the owner is gone, or the word has changed"
    assert {user for user in users if not user.startswith(owner)} == set()


def test_what_follows_a_commit_has_a_name() -> None:
    # By that Django tells of what failed there; of what has none it fails itself.
    assert not [path for path in SOURCES if re.search(r"on_commit\(\s*partial", path.read_text())]


def _name(path: Path) -> str:
    return str(path.relative_to(BASE))
