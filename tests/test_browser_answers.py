"""Who has to say what became of a step sees how far it came, and what each answer leads to."""

import pytest
from playwright.sync_api import Page, expect

from deploy_tasks.models import HostRun, Job
from deploy_tasks.states import AttemptState, HostRunState
from tests import scenes
from tests.browser import MARKS, Tab

pytestmark = MARKS

BATCH = "[03:10:%02d INFO] batch %d of 30: 110 accounts awarded"
FAILED = "\x1b[31mERROR\x1b[0m: <b>mail gateway</b> is gone"


@pytest.fixture
def job(tab: Tab) -> Job:
    return scenes.midway(scenes.game("paper", hosts=30))


def stopped_half_way(job: Job, *, repeat: str) -> HostRun:
    """A host whose step “stop” was lost after it had printed much."""
    revision = job.revision
    revision.text = revision.text.replace("name: stop,", f"name: stop, repeat: {repeat},")
    revision.save()
    run = job.host_runs.get(state=HostRunState.UNKNOWN)
    run.reason = "whether step “stop” ran to its end is not known: the runner was killed"
    run.save()
    attempt = run.attempts.get(name="stop")
    attempt.state = AttemptState.LOST
    attempt.save()
    lines = [BATCH % (n, n) for n in range(30)]
    scenes.add_output(job, attempt, "\n".join([*lines, FAILED, ""]).encode())
    return run


def ask(tab: Tab, job: Job, run: HostRun) -> Page:
    page = tab.open_job(job, f"?host={run.name}")
    page.locator("#causes").get_by_role("button", name="Answer…").click()
    return page


def test_what_must_never_be_repeated_is_not_offered_again(tab: Tab, job: Job) -> None:
    page = ask(tab, job, stopped_half_way(job, repeat="never"))
    answers = page.locator("#answers")
    ran = answers.get_by_role("button", name="It ran")
    expect(ran).to_contain_text("1 host goes on with “switch”. What it left undone stays undone")
    expect(answers.get_by_role("button", name="It did not run")).to_be_hidden()
    refused = "“stop” must never be repeated: “it did not run” is no answer."
    expect(answers).to_contain_text(refused)
    answers.get_by_role("button", name="Leave it as it is").click()
    beside_the_log = page.locator("#answer")
    expect(beside_the_log).to_contain_text(refused)
    expect(beside_the_log.get_by_role("button", name="It did not run")).to_be_hidden()
    assert tab.complaints() == []


def test_what_may_be_repeated_by_a_word_says_that_it_begins_anew(tab: Tab, job: Job) -> None:
    page = ask(tab, job, stopped_half_way(job, repeat="ask"))
    again = page.locator("#answers").get_by_role("button", name="It did not run")
    expect(again).to_contain_text("from its beginning. What it has done already, it may do twice.")
    expect(page.locator("#answers")).not_to_contain_text("must never")


def test_how_far_the_step_came_is_seen_where_one_answers(tab: Tab, job: Job) -> None:
    run = stopped_half_way(job, repeat="never")
    page = ask(tab, job, run)
    answers = page.locator("#answers")
    expect(answers).to_contain_text(f"What “stop” printed last on {run.name}:")
    expect(answers).to_contain_text("the server there has been down since “stop”")
    lines = answers.locator("#answers-tail li")
    expect(lines).to_have_count(8)
    expect(lines.first).to_contain_text(BATCH % (23, 23))
    expect(lines.last).to_contain_text("ERROR: <b>mail gateway</b> is gone")
    expect(lines.last).to_have_class("wrong")
    expect(lines.last).to_be_in_viewport()
    page.set_viewport_size({"width": 390, "height": 844})
    assert answers.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    assert tab.complaints() == []


def test_the_log_of_who_waits_for_an_answer_opens_at_the_end_of_the_step(
    tab: Tab, job: Job
) -> None:
    run = stopped_half_way(job, repeat="never")
    page = tab.open_job(job, f"?host={run.name}")
    last = page.locator("#log details[open] .lines li").last
    expect(last).to_contain_text("is gone")
    expect(last).to_be_in_viewport()


def test_the_name_of_a_host_stands_in_one_line(tab: Tab, job: Job) -> None:
    run = stopped_half_way(job, repeat="never")
    HostRun.objects.filter(pk=run.pk).update(name="em-eu-central-5-of-the-second-row")
    page = ask(tab, job, job.host_runs.get(pk=run.pk))
    name = page.locator("#answers-hosts label span")
    expect(name).to_be_visible()
    lines = "name => name.offsetHeight / parseFloat(getComputedStyle(name).lineHeight)"
    assert name.evaluate(lines) < 1.5
