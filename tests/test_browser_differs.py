"""A cause that no line names as trouble, on the page of a job in a real browser."""

import subprocess
from pathlib import Path

from playwright.sync_api import expect

from deploy_tasks.models import Event, HostRun, Job
from deploy_tasks.states import AttemptState, HostRunState
from tests import scenes
from tests.browser import MARKS, Tab

pytestmark = MARKS

SWITCH = 'cd "$1"; ln -sfnv releases/1.21.8 current; cat current/version; echo switched'


def switched(root: Path, *, linked: bool) -> bytes:
    """What the script prints where ``current`` is a link, or a real directory in its place."""
    for version in ("1.21.4", "1.21.8"):
        (root / "releases" / version).mkdir(parents=True)
        (root / "releases" / version / "version").write_text(f"{version}\n")
    if linked:
        (root / "current").symlink_to("releases/1.21.4")
    else:
        (root / "current").mkdir()
        (root / "current" / "version").write_text("1.21.4\n")
    command = ["sh", "-c", SWITCH, "sh", str(root)]
    return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout


def printed(run: HostRun, step: str, output: bytes) -> None:
    attempt = run.attempts.get(name=step)
    Event.objects.filter(attempt=attempt, kind=Event.Kind.OUTPUT).delete()
    attempt.log_offset = 0
    attempt.save()
    scenes.add_output(run.job, attempt, output)


def test_a_directory_in_the_place_of_a_link_is_found_in_the_panel(tab: Tab, tmp_path: Path) -> None:
    job: Job = scenes.midway(scenes.game("paper", hosts=300))
    well = job.host_runs.filter(state=HostRunState.SUCCEEDED).order_by("pk")
    *others, one, two, three = well
    said = switched(tmp_path / "well", linked=True)
    for run in others:
        printed(run, "switch", said)
    broken = (one, two, three)
    said = switched(tmp_path / "broken", linked=False)
    for run in broken:
        printed(run, "switch", said)
        printed(run, "health", b"asking the game\nit answers as 1.21.4\n")
        run.attempts.filter(name="health").update(state=AttemptState.FAILED, exit_status=1)
    broken_runs = job.host_runs.filter(pk__in=[run.pk for run in broken])
    error = "step “health” ended with exit status 1"
    broken_runs.update(state=HostRunState.FAILED, step=5, error=error)
    page = tab.open_job(job)
    cause = page.locator("#causes li", has_text="it answers as")
    unlike = cause.locator(".unlike")
    inside, linked = (f"'{link}' -> 'releases/1.21.8'" for link in ("current/1.21.8", "current"))
    expect(unlike).to_contain_text(f"in “switch” it printed “{inside}”, not “{linked}”")
    expect(unlike.locator("span")).to_be_visible()
    expect(cause.locator("[data-does=retry]")).to_have_text("Retry 3 from “switch”")
    expect(cause.locator("[data-does=retry-only]")).to_have_text("Only from “health”")
    unlike.get_by_role("button", name="Show it").click()
    expect(page.locator("#log .pointed")).to_contain_text(inside)
    expect(page.locator("#log .pointed")).to_be_in_viewport()
    expect(page.locator("#causes .unlike")).to_have_count(1)
    assert tab.complaints() == []
