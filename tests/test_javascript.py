"""The JavaScript modules that have logic are tested with node's own runner."""

import json
import shutil
import subprocess
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy_tasks.models import Job
from webapp.verdict import BatchCounts, Findings, verdict

HERE = Path(__file__).parent
NOTHING = asdict(Findings())
CASES = json.loads((HERE / "verdict_cases.json").read_text())


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_modules_pass_their_own_tests() -> None:
    done = subprocess.run(
        ["node", "--test", "tests/js/"],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_server_says_of_a_job_what_the_page_says(case: dict[str, Any]) -> None:
    times = ("start_at", "created_at", "started_at", "ended_at")
    values = {key: moment(at) if key in times else at for key, at in case["job"].items()}
    values["rolls_back_id"] = values.pop("rolls_back", None)
    told = case | {
        "taken_back_by": values.pop("rolled_back_by", None),
        "stages_ahead": values.pop("rollout", {}).get("stage") == "ahead",
    }
    said = verdict(
        cast(Job, SimpleNamespace(**values)),
        [BatchCounts(**batch) for batch in case["batches"]],
        Findings(**{name: told.get(name, of) for name, of in NOTHING.items()}),
        now=datetime.fromisoformat(case["now"]),
    )
    assert said == case["sentence"]


def moment(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None
