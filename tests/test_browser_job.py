"""The page of a job in a real browser: what broke, where, and what to do about it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from playwright.sync_api import Locator, Page, Route, expect

from deploy_tasks import journal
from deploy_tasks.journal import News
from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState, JobState
from tests import scenes, waiting
from tests.browser import MARKS, Tab

pytestmark = MARKS


@pytest.fixture
def large(tab: Tab) -> Job:
    return scenes.midway(scenes.game("paper", hosts=300))


#: What a button says once it was pressed: for a moment only, which who looks now and then may miss.
PRESSED = """(button) => new Promise((said) => {
  const pressed = document.querySelector(button);
  new MutationObserver(() => said(pressed.textContent)).observe(pressed, { childList: true });
  pressed.click();
})"""


def tell(job: Job, *news: News) -> None:
    """News of the job, as a worker would tell it."""
    with transaction.atomic():
        journal.append(job.pk, list(news))


#: What of the map and the log the page moves by itself, as the browser counts it.
SHIFTS = """
window.shifted = [];
new PerformanceObserver((list) => {
  for (const { sources } of list.getEntries())
    for (const { node } of sources)
      if (node?.parentElement?.closest("#log > header, #map") || ["log", "map"].includes(node?.id))
        window.shifted.push(node.id || node.className);
}).observe({ type: "layout-shift", buffered: true });
"""


# ---- why hosts failed


def test_nothing_jumps_as_the_page_opens(tab: Tab, large: Job) -> None:
    tab.context.add_init_script(SHIFTS)
    page = tab.open_job(large)
    expect(page.locator("#causes li").first).to_be_visible()
    expect(page.locator("#log .lines li").first).to_be_visible()
    with page.expect_response("**/pace"):
        page.get_by_role("button", name="Table").focus()
    assert page.evaluate("window.shifted") == []


def test_a_new_cause_pushes_nothing_away_from_under_the_mouse(tab: Tab, large: Job) -> None:
    large.host_runs.filter(state__in=["failed", "unknown"]).update(
        state="succeeded", holds_host=False, down=False
    )
    large.host_runs.filter(link="unreachable").update(link="")
    page = tab.open_job(large)
    expect(page.locator("#verdict")).not_to_contain_text("failed")
    page.locator("#log header").hover()
    place = "log => [log.getBoundingClientRect().x, log.getBoundingClientRect().y]"
    before = page.locator("#log").evaluate(place)
    run = run_in(large, HostRunState.RUNNING)
    HostRun.objects.filter(pk=run.pk).update(state="failed", holds_host=False, error="haunted")
    with page.expect_response("**/failures"):
        tell(large, News(Event.Kind.HOST, {"to": "failed", "error": "haunted"}, host_run=run.pk))
    expect(page.locator("#acts").get_by_role("button", name="Retry 1 failed from")).to_be_visible()
    assert page.locator("#log").evaluate(place) == before
    page.locator("#verdict").hover()
    expect(page.locator("#causes li")).to_contain_text("haunted")


def test_hosts_that_failed_of_the_same_are_shown_and_retried_together(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    full = page.locator("#causes li", has_text="No space left on device")
    expect(full).to_contain_text("in “unpack”")
    expect(full.locator(".much")).to_have_text("3")
    expect(full).to_contain_text("tar: paper-1.21.8.jar: Cannot write")
    expect(full).to_contain_text("3 left at 1.21.4")
    failed = "Retry 7 failed 3 from “unpack”, 2 from “switch” and 2 more"
    expect(page.locator("#acts").get_by_role("button", name=failed)).to_be_visible()
    full.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#table tbody tr")).to_have_count(3)
    page.reload()
    expect(page.locator("#table tbody tr")).to_have_count(3, timeout=15_000)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    names = page.locator("#table tbody th").all_text_contents()
    for what, of in [("names", "name"), ("addresses", "address")]:
        expect(page.get_by_role("button", name=f"Copy {what}")).to_be_visible()
        assert page.evaluate(PRESSED, f"[data-copy={of}]") == "3 copied"
        there = large.host_runs.filter(name__in=names).order_by("position")
        copied = page.evaluate("navigator.clipboard.readText()").split(",")
        assert copied == [getattr(run.host, of) for run in there]
    assert page.evaluate(PRESSED, "[data-causes=copy]") == "Copied"
    told = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert told[:2] == [page.locator("#verdict").inner_text(), page.url.partition("?")[0]]
    full_at = "3 × No space left on device in “unpack”, 3 left at 1.21.4"
    assert told[3] == f"{full_at}: {', '.join(names)}"
    assert told[4] == "  tar: paper-1.21.8.jar: Cannot write: No space left on device"
    page.get_by_role("button", name="Give a reason").press("Enter")
    page.keyboard.type("room was made")
    full.get_by_role("button", name="Retry 3 from “unpack”").click()
    said = page.locator("#activity li").first
    expect(said).to_contain_text("boss retried 3 hosts. room was made")
    expect(page.locator("#reason")).to_be_hidden()
    expect(full).to_have_count(0)
    assert tab.complaints() == []


def test_a_cause_is_found_in_a_step_that_ended_well_and_shown_there(tab: Tab, large: Job) -> None:
    run = large.host_runs.get(error="step “health” ended with exit status 1")
    health = run.attempts.get(name="health")
    Event.objects.filter(attempt=health).delete()
    health.log_offset = 0
    health.save()
    scenes.add_output(large, health, b"probe: Connection refused\n")
    loader = (
        "run: error while loading shared libraries: libssl.so.1.1: cannot open shared object file"
    )
    scenes.add_output(large, run.attempts.get(name="switch"), f"\n{loader}: No\nup\n".encode())
    undo = run.attempts.create(
        uid="undo.1",
        step=3,
        name="stop",
        kind=AttemptKind.UNDO,
        number=1,
        script_sha256="0" * 64,
        state=AttemptState.FAILED,
    )
    scenes.add_output(large, undo, b"ERROR: a view depends on it\n")
    HostRun.objects.filter(pk=run.pk).update(
        error=f"{run.error}; left to undo by hand: stop, unpack"
    )
    page = tab.open_job(large)
    tells = page.locator("#log .lines li.tells")
    expect(tells).to_contain_text(loader)
    expect(tells).to_be_in_viewport()
    page.get_by_role("button", name="Show how “health” failed").click()
    expect(tells.filter(has_text="Connection refused")).to_be_in_viewport()
    page.keyboard.press("c")
    expect(tells.filter(has_text=loader)).to_be_in_viewport()
    page.locator("#log summary", has_text="stage").click()
    cause = page.locator(
        "#causes li", has_text="error while loading shared libraries: libssl.so.1.1"
    )
    head = "Retry 7 failed 3 from “switch”, 3 from “unpack” and 1 more"
    expect(page.locator("#acts").get_by_role("button", name=head)).to_be_visible()
    from_step = page.get_by_label("From which step").locator("option")
    for n, said in enumerate(["from “switch”", "only from “health”", "over again from “space”"]):
        expect(from_step.nth(n)).to_have_text(said)
    expect(cause.locator(".what")).to_contain_text("in “switch”")
    cause.get_by_role("button", name="Show").click()
    told = "“switch” ended well; then “health”: Connection refused"
    expect(cause.get_by_text(told)).to_be_visible()
    undone = (
        "then the undo of “stop” failed: ERROR: a view depends on it; left to undo by hand: stop, "
    )
    expect(cause.get_by_text(undone)).to_be_visible()
    expect(tells.filter(has_text=loader)).to_be_in_viewport()
    expect(cause.get_by_role("button", name="Only from “health”")).to_be_visible()
    cause.get_by_role("button", name="Retry from “switch”").click()
    expect(page.locator("#activity li").first).to_contain_text("boss retried")
    expect(cause).to_have_count(0)
    run.refresh_from_db()
    assert run.step == scenes.STEPS.index("switch")
    assert tab.complaints() == []


def test_hosts_in_doubt_stand_apart_by_the_reason_which_the_answer_tells(
    tab: Tab, large: Job
) -> None:
    first = large.host_runs.get(state=HostRunState.UNKNOWN)
    other = large.host_runs.filter(state=HostRunState.RUNNING, step=3).first()
    assert other is not None
    for run, why in ((first, "the runner was killed"), (other, "the host was restarted")):
        run.state, run.error, run.step, run.link = HostRunState.UNKNOWN, "", 3, ""
        run.reason = f"whether step “stop” ran to its end is not known: {why}"
        run.save()
    page = tab.open_job(large)
    doubted = page.locator("#causes li", has_text="Nobody knows how “stop” ended")
    expect(doubted).to_have_count(2)
    killed = doubted.filter(has_text="the runner was killed")
    expect(killed.get_by_text("the runner was killed").filter(visible=True)).to_have_count(1)
    killed.get_by_role("button", name="Show").click()
    expect(page.locator("#table tbody th")).to_have_text(first.name)
    expect(page.locator("#causes .alone code")).to_have_text("the runner was killed")
    page.locator("#causes .alone").get_by_role("button", name="Answer…").click()
    expect(page.locator("#answers-hosts li")).to_have_text(f"{first.name}the runner was killed")
    assert tab.complaints() == []


def test_a_halted_job_tells_who_has_failed_since(tab: Tab, large: Job) -> None:
    large.state, large.reason = JobState.HALTED, "3 hosts failed, at most 2 may"
    large.rollout["max_failed"] = 2
    large.save()
    page = tab.open_job(large)
    said = "3 had failed when it halted; 4 that were under way have failed since"
    expect(page.locator("#more")).to_contain_text(said)
    expect(page.locator("#verdict")).to_contain_text("7 failed (limit 2)")
    expect(page.locator("#rail [aria-current]")).to_contain_text("7 failed, at most 2 may")
    assert tab.complaints() == []


def test_what_was_undone_hides_neither_its_failure_nor_its_name(tab: Tab, large: Job) -> None:
    failed = "step “unpack” ended with exit status 2"
    run = large.host_runs.filter(error=failed).order_by("position")[0]
    told = run.attempts.get(name="unpack")
    told.reason = failed
    told.save()
    for earlier in run.attempts.order_by("-step"):
        run.attempts.create(
            uid=f"{earlier.uid}.undone",
            step=earlier.step,
            name=earlier.name,
            kind=AttemptKind.UNDO,
            number=1,
            script_sha256="0" * 64,
            state=AttemptState.SUCCEEDED,
            started_at=told.ended_at,
            ended_at=told.ended_at,
        )
    HostRun.objects.filter(pk=run.pk).update(step=0)
    page = tab.open_job(large, f"?host={run.name}")
    expect(page.locator("#log header")).to_contain_text("failed in unpack")
    name = page.locator("#log summary", has_text=failed).locator("span").first
    assert name.evaluate("(name) => name.scrollWidth <= name.clientWidth"), "all of it is seen"
    page.get_by_role("button", name="Table").click()
    row = page.locator(f"#table tr[data-host={run.name}]")
    cell = row.locator("td").nth(told.step)
    for mark in ("sq failed", "sq rolled_back undo"):
        expect(cell.locator(f"i[class='{mark}']")).to_be_visible()
    expect(cell).to_have_attribute("aria-label", re.compile("failed, .*its undo: rolled back"))


def test_the_last_step_in_which_hosts_failed_is_in_sight(tab: Tab, large: Job) -> None:
    narrow = "document.getElementById('steps').style.width = '20rem'"
    tab.context.add_init_script(f"addEventListener('DOMContentLoaded', () => {{ {narrow} }})")
    page = tab.open_job(large)
    failing = page.locator("#steps li", has_text="failed").last
    expect(failing).to_contain_text("health")
    edges = "(step) => [step, step.parentNode].map((one) => one.getBoundingClientRect().right)"
    step, strip = failing.evaluate(edges)
    assert step <= strip + 1


def test_hosts_that_failed_of_the_same_are_excluded_with_a_reason(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    full = page.locator("#causes li", has_text="No space left on device")
    full.get_by_role("button", name="Exclude…").click()
    question = page.locator("#aside")
    expect(question).to_contain_text("They stay failed, but count no more against the limit")
    question.get_by_label("Why").fill("their disks are mended tomorrow")
    question.get_by_role("button", name="Exclude", exact=True).click()
    expect(full).to_contain_text("3 excluded")
    expect(full.get_by_role("button", name="Exclude…")).to_have_count(0)
    expect(page.locator("#verdict")).to_contain_text("7 failed (limit 15, 3 excluded)")
    said = page.locator("#activity li").first
    expect(said).to_contain_text("boss excluded 3 hosts. their disks are mended tomorrow")
    expect(page.locator("#acts").get_by_role("button", name="Retry 4")).to_be_visible()
    assert tab.complaints() == []


def test_a_job_goes_on_without_a_host_of_which_nobody_knows_how_it_stands(
    tab: Tab, large: Job
) -> None:
    page = tab.open_job(large)
    doubted = page.locator("#causes li", has_text="Nobody knows how “stop” ended")
    doubted.get_by_role("button", name="Exclude…").click()
    question = page.locator("#aside")
    expect(question).to_contain_text("1 host is given up: it fails now, is free for other jobs")
    question.get_by_role("button", name="Exclude", exact=True).click()
    expect(doubted).to_have_count(0)
    expect(page.locator("#verdict")).to_contain_text("8 failed (limit 15, 1 excluded)")
    # What counts against the limit is told alike where it is counted.
    expect(page.locator("#rail [aria-current]")).to_contain_text("7 of 15 failures used")
    page.get_by_role("button", name="Show all 5").click()
    expect(page.locator("#causes li", has_text="given up by boss")).to_contain_text("1 excluded")
    assert tab.complaints() == []


def test_whatever_failed_the_hosts_stay_above_the_fold(tab: Tab, large: Job) -> None:
    """In the size in which the page is drawn, and however long the causes are."""
    for n, run in enumerate(large.host_runs.filter(state=HostRunState.SUCCEEDED)[:6]):
        wrong = {
            "down": True,
            "error": f"region {chr(97 + n)} is broken, " + "and on it goes " * 40,
        }
        HostRun.objects.filter(pk=run.pk).update(state=HostRunState.FAILED, **wrong)
    Job.objects.filter(pk=large.pk).update(state="halted", reason="13 hosts failed, at most 5 may")
    page = tab.open_job(large)
    expect(page.locator("#causes li")).to_have_count(5)
    expect(page.locator("#verdict + #spoken + #more .down")).to_contain_text("Down:")
    last = page.locator("#map .sq").last
    expect(last).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Show all 10").click()
    expect(last).to_be_in_viewport(ratio=1)
    line = page.locator("#causes li", has_text="region a").locator(".what")
    assert line.evaluate("it => it.scrollHeight > it.clientHeight"), "is told in short"
    expect(page.locator("#log .lines li").first).to_be_visible()
    expect(page.locator("#log > footer")).to_be_in_viewport(ratio=1)
    room = page.locator("#log .folds").evaluate("folds => folds.clientHeight")
    assert room >= 14 * 19, "the log beside them has room to be read"
    page.locator("#causes li", has_text="region a").get_by_role("button", name="Show").click()
    assert line.evaluate("it => it.scrollHeight <= it.clientHeight"), (
        "and in full where it is asked"
    )
    page.set_viewport_size({"width": 360, "height": 800})
    expect(page.locator("#causes .alone .who")).to_contain_text("1 is down")
    expect(page.locator("#causes .alone .who")).to_be_visible()


def test_two_long_causes_show_to_their_buttons(tab: Tab) -> None:
    job = scenes.midway(scenes.game("moor", hosts=4), state=JobState.FAILED)
    said = "ERROR: {} is broken" + " and on it goes" * 20 + "\n"
    for run, what in zip(job.host_runs.order_by("position")[1:3], "ab", strict=True):
        attempt = run.attempts.latest("pk")
        run.attempts.filter(pk=attempt.pk).update(state="failed", exit_status=1, log_offset=0)
        Event.objects.filter(attempt=attempt).delete()
        attempt.refresh_from_db()
        output = said.format(f"manifest {what}") + said.format(f"library {what}")
        scenes.add_output(job, attempt, output.encode())
        HostRun.objects.filter(pk=run.pk).update(
            state=HostRunState.FAILED, step=attempt.step, error="step “health” failed", down=True
        )
    tab.page.goto(f"/jobs/{job.pk}/")
    page = tab.page
    expect(page.locator("#causes li .do")).to_have_count(2)
    foot = page.locator("#causes").evaluate("it => it.getBoundingClientRect().bottom")
    for button in page.locator("#causes li .do button").all():
        box = button.bounding_box()
        assert box
        assert box["y"] + box["height"] <= foot


def test_a_host_that_has_not_begun_is_left_out(tab: Tab, large: Job) -> None:
    waiting = run_in(large, HostRunState.WAITING)
    page = tab.open_job(large, f"?host={waiting.name}")
    page.get_by_role("button", name="Leave it out…").click()
    page.locator("#aside").get_by_role("button", name="Leave it out").click()
    expect(page.locator("#log [data-log=state]")).to_have_text("skipped")
    expect(page.locator("#log [data-log=why]")).to_have_text("left out by boss")


def test_the_terms_are_changed_while_it_runs_and_what_that_means_is_said(
    tab: Tab, large: Job
) -> None:
    page = tab.open_job(large)
    page.get_by_role("button", name="Change…").click()
    terms = page.locator("#terms")
    press = terms.get_by_role("button", name="Change", exact=True)
    expect(press).to_be_disabled()
    terms.get_by_label("Hosts at a time").fill("none")
    terms.get_by_label("Hosts that may fail").fill("20")
    expect(terms).to_contain_text("Hosts that may fail: 20 instead of 5%.")
    press.click()
    expect(terms.locator(".refusal")).not_to_be_empty()
    terms.get_by_label("Hosts at a time").fill("60")
    terms.get_by_label("Hosts at a time").press("Enter")
    expect(terms).to_be_visible()
    press.click()
    expect(terms).to_be_hidden()
    expect(page.locator("#verdict")).to_contain_text("7 failed (limit 20)")
    expect(page.locator("#rail [aria-current]")).to_contain_text("7 of 20 failures used")


def test_a_job_is_ended_by_letting_those_that_run_finish(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    running = large.host_runs.filter(state=HostRunState.RUNNING).count()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Let those that run finish").click()
    expect(page.locator("#score .chip", has_text="waiting").locator("b")).to_have_text("0")
    assert large.host_runs.filter(state=HostRunState.RUNNING).count() == running
    assert not Job.objects.get(pk=large.pk).cancelled


def test_a_cause_appears_as_soon_as_a_host_fails_of_it(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    run = HostRun.objects.filter(job=large, state=HostRunState.RUNNING, link="")[0]
    end = {"state": HostRunState.FAILED, "holds_host": False, "error": "the map is haunted"}
    with transaction.atomic():
        HostRun.objects.filter(pk=run.pk).update(**end)
        told = {"to": "failed", "error": "the map is haunted"}
        journal.append(large.pk, [News(Event.Kind.HOST, told, host_run=run.pk)])
    haunted = page.locator("#causes li", has_text="the map is haunted")
    # The most frequent ones show alone until one asks for all; all stand above the hosts.
    expect(haunted).to_have_count(0)
    page.get_by_role("button", name="Show all 5").press("Enter")
    expect(page.get_by_role("button", name="Show fewer")).to_be_focused()
    # Below the fold stands every event, newest first, and what a host was given.
    page.locator("#story").scroll_into_view_if_needed()
    newest = page.locator("#story [role=row]").first
    expect(newest).to_contain_text(f"{run.name}failed, the map is haunted")
    tell(large, News(Event.Kind.LINK, {"to": "unreachable", "reason": "rain"}, host_run=run.pk))
    expect(newest).to_contain_text("unreachable, rain")
    words = page.get_by_label("Only events of a host, a step or an outcome")
    words.fill(f"{run.name} nonsense")
    words.press("Enter")
    expect(page.locator("#story .empty")).to_contain_text("is called “nonsense”")
    words.fill(f"{run.name} to:failed")
    page.get_by_label("Only events of a kind").select_option("host")
    expect(words).to_have_value(f"kind:host {run.name} to:failed")
    expect(page.locator("#story [role=row]")).to_have_count(1)
    expect(page).to_have_url(re.compile("events=kind"))
    newest.click()
    page.keyboard.press("Enter")
    expect(page.locator("#variables [data-variables=name]")).to_have_text(run.name)
    expect(page.locator("#variables tr", has_text="root")).to_contain_text("/srv/paper")
    expect(haunted.get_by_role("button", name="Retry")).to_be_visible()
    assert tab.complaints() == []
    expect(page.locator("#acts").get_by_role("button", name=re.compile("^Retry"))).to_be_visible()


def test_hosts_that_do_not_answer_stand_apart_from_those_that_failed(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    for said in (
        "Nobody knows how “stop” ended, not counted as failed",
        "Out of reach, not counted",
    ):
        page.locator("#causes li", has_text=said).get_by_role("button", name="Show").click()
        row = page.locator("#table tbody tr")
        expect(row).to_have_count(1)
        # The log beside it is its own.
        expect(page.locator("#log [data-log=name]")).to_have_text(row.locator("th").inner_text())
    page.locator("#causes").get_by_role("button", name="Answer…").press("Enter")
    answers = page.locator("#answers")
    expect(answers).to_contain_text("What became of “stop” on 1 host?")
    host = answers.get_by_role("checkbox")
    host.press("Space")
    expect(answers.get_by_role("button", name="It ran")).to_be_hidden()
    host.press("Space")
    answers.get_by_label("Why").fill("saw it")
    answers.get_by_role("button", name="It ran").press("Enter")
    expect(page.locator("#activity li").first).to_contain_text(": it ran. saw it")
    expect(page.locator("#causes li", has_text="Nobody knows")).to_have_count(0)


# ---- how it goes


def test_who_takes_much_longer_is_marked_and_shown_alone(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    expect(page.locator("#verdict")).to_contain_text("slow")
    expect(page.locator("#steps li", has_text="health")).to_contain_text("38 s")
    expect(page.locator("#map .sq.slow")).not_to_have_count(0)
    slow = page.locator("#score .chip", has_text="slow")
    slow.click()
    rows = page.locator("#table tbody tr")
    # Meanwhile there may be more of them.
    waiting.until(
        lambda: 0 < rows.count() == int(slow.locator("b").inner_text()), "only those show"
    )


def test_hosts_that_hang_stand_where_failures_stand_and_the_verdict_shows_them(
    tab: Tab, large: Job
) -> None:
    slow = large.host_runs.filter(attempts__name="stage", attempts__state="running", link="")[0]
    attempt = slow.attempts.get(name="stage")
    Attempt.objects.filter(pk=attempt.pk).update(started_at=large.started_at - timedelta(hours=1))
    scenes.add_output(large, attempt, b"waiting for the lock of pid 4711\n")
    page = tab.open_job(large)
    row = page.locator("#hanging li")
    expect(row).to_contain_text(re.compile(r"takes over \d00 times as long as usual in “stage”"))
    expect(row.locator("code")).to_have_text("waiting for the lock of pid 4711")
    row.get_by_role("button", name=slow.name).click()
    expect(page.locator("#log [data-log=name]")).to_have_text(slow.name)
    page.locator("#verdict").get_by_role("button", name=re.compile("slow$")).click()
    chip = page.locator("#score .chip", has_text="slow")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"#table tr[data-host={slow.name}]")).to_be_visible()
    assert tab.complaints() == []


def test_a_step_of_which_nobody_hears_does_not_run_on(tab: Tab, large: Job) -> None:
    away = large.host_runs.get(link="unreachable")
    page = tab.open_job(large, f"?host={away.name}&view=table")
    step = page.locator("#log summary", has_text="running when last heard of")
    expect(step).to_contain_text(" ago")
    expect(step.locator("i")).to_have_class("sq unreachable")
    cell = page.locator(f"#table tr[data-host={away.name}] td i.unreachable")
    expect(cell.locator("..")).to_have_attribute("aria-label", "running when last heard of")


def test_the_batch_under_way_says_how_many_may_still_fail(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    under_way = page.locator("#rail [aria-current]")
    expect(under_way).to_contain_text(re.compile(r"\d of 15 failures used"))


def test_squares_are_grouped_by_a_label_and_a_link_shows_the_same(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    page.get_by_label("Group hosts").select_option("by region")
    heads = page.locator("#map [role=rowheader] b")
    expect(heads).to_have_text(["ap", "eu", "us", "no label"])
    page.reload()
    expect(heads).to_have_text(["ap", "eu", "us", "no label"])
    expect(page.locator("#map button.sq")).to_have_count(300)


def test_hosts_are_found_by_what_is_typed_or_pasted_and_a_link_finds_the_same(
    tab: Tab, large: Job
) -> None:
    page = tab.open_job(large)
    page.keyboard.press("h")
    page.keyboard.type("EU shard=a 192.0.2.1")
    rows = page.locator("#table tbody th")
    expect(rows.first).to_be_visible()
    found = [
        run.name
        for run in large.host_runs.order_by("position")
        if run.host.address.startswith("192.0.2.1")
        and run.host.labels.get("shard") == "a"
        and run.host.labels["region"] == "eu"
    ]
    assert rows.all_text_contents() == found
    page.keyboard.press("Enter")
    expect(page.locator("#log [data-log=name]")).to_have_text(found[0])
    page.reload()
    expect(rows).to_have_text(found)
    page.get_by_label("Find hosts").fill(f"{found[1]}, gone-7\n{found[0]}")
    expect(rows).to_have_text(found[:2])
    page.keyboard.press("Escape")
    expect(page.locator("#map button.sq").first).to_be_visible()
    # In the table, too, a key leads from failure to failure, and to either end.
    failed = run_in(large, HostRunState.FAILED).name
    page.get_by_label("Find hosts").fill(f"{found[0]},{found[1]},{failed}")
    expect(rows).to_have_count(3)
    rows.locator("button").first.focus()
    for key, at in [("End", rows.last), ("Home", rows.first), ("e", rows.filter(has_text=failed))]:
        page.keyboard.press(key)
        expect(at.locator("button")).to_be_focused()
    # One stop of Tab, however many rows.
    page.keyboard.press("Tab")
    expect(page.locator("#table :focus")).to_have_count(0)
    assert tab.complaints() == []


def test_every_key_is_told_and_does_what_is_told(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    page.keyboard.press("?")
    expect(page.locator("#keys-help")).to_contain_text("the next host that failed")
    page.keyboard.press("Escape")
    expect(page.locator("#keys-help")).to_be_hidden()
    page.keyboard.press("e")
    expect(page.locator("#map .sq.failed:focus")).to_have_count(1)
    # On the page, not in its view: what is focused may be scrolled to.
    place = "at => [at.getBoundingClientRect().x, at.getBoundingClientRect().y + scrollY]"
    above = page.locator("#map .sq:focus").evaluate(place)
    page.keyboard.press("ArrowDown")
    below = page.locator("#map .sq:focus").evaluate(place)
    assert (above[0], True) == (below[0], above[1] < below[1])
    page.keyboard.press("1")
    expect(page.locator("#score .chip").first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#score .chip").first).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "false")
    width = "log => log.getBoundingClientRect().width"
    before = page.locator("#log").evaluate(width)
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Wide")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#log").evaluate(width) > 2 * before
    assert page.locator("#log").evaluate("log => log.getBoundingClientRect().bottom <= innerHeight")
    page.keyboard.press("l")
    assert page.locator("#log").evaluate(width) == before
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url("**/jobs/")
    assert tab.complaints() == []


# ---- the log


def run_in(job: Job, state: HostRunState) -> HostRun:
    return job.host_runs.filter(state=state).order_by("position")[0]


def line(page: Page, number: int) -> Locator:
    return page.locator("#log details[open] .lines li").filter(
        has=page.locator(f"a[href$='/{number}']")
    )


#: A line near that number has been read, and is in the midst of what one sees.
LINE_IN_VIEW = """(near) => {
  const view = document.querySelector("#log .folds").getBoundingClientRect();
  const midst = document.elementFromPoint(view.left + 150, view.top + view.height / 2);
  const said = /line (\\d+) of the build/.exec(midst.closest("li")?.innerText ?? "");
  return said && Math.abs(said[1] - near) < 1000;
}"""


def test_a_million_lines_scroll_and_only_those_in_view_are_in_the_page(
    tab: Tab, small: Job
) -> None:
    run = run_in(small, HostRunState.RUNNING)
    scenes.print_lines(small, run.name, 1_000_000)
    page = tab.open_job(small, f"?host={run.name}")
    lines = page.locator("#log .lines li")
    expect(lines.last).to_contain_text("line 999999 of the build")
    said = page.locator("#log [data-log=said]")
    expect(said).to_contain_text("1,000,001 lines")
    folds = page.locator("#log .folds")
    for part in (0.5, 0.1, 0.9, 0):
        folds.evaluate("(node, part) => { node.scrollTop = node.scrollHeight * part; }", part)
        page.wait_for_function(LINE_IN_VIEW, arg=part * 1_000_000)
        assert lines.count() <= 300
    expect(line(page, 2)).to_contain_text("line 0 of the build")
    jump = page.get_by_role("button", name="Jump to the end")
    jump.click()
    expect(page.get_by_text("line 999999 of the build")).to_be_in_viewport()
    expect(jump).to_be_hidden()
    assert tab.heap < 30e6
    assert tab.complaints() == []


def test_a_link_to_a_line_leads_to_it(tab: Tab, small: Job) -> None:
    run = run_in(small, HostRunState.RUNNING)
    scenes.print_lines(small, run.name, 20_000, line="{n} " + "x" * 60)
    step = run.attempts.latest("pk").name
    page = tab.open_job(small, f"#{run.name}/{step}/7003")
    expect(line(page, 7003)).to_have_class("pointed")
    expect(line(page, 7003)).to_contain_text("7001 xxx")
    expect(line(page, 7003)).to_be_in_viewport()
    line(page, 7005).get_by_role("link").click()
    expect(page).to_have_url(re.compile(rf"#{run.name}/{step}/7005$"))
    expect(line(page, 7005)).to_have_class("pointed")
    expect(line(page, 7003)).not_to_have_class("pointed")


def test_lines_in_view_stay_where_they_are_while_more_comes(tab: Tab, small: Job) -> None:
    run = run_in(small, HostRunState.RUNNING)
    scenes.print_lines(small, run.name, 3000, line="{n} " + "long words " * 30)
    step = run.attempts.latest("pk").name
    page = tab.open_job(small, f"#{run.name}/{step}/1500")
    expect(line(page, 1500)).to_contain_text("1498 long words")
    before = line(page, 1500).bounding_box()
    scenes.print_lines(small, run.name, 500)
    tell(small, News(Event.Kind.NOTE, {"text": "a bell"}))
    expect(page.locator("#log [data-log=said]")).to_have_text("3,501 lines")
    assert line(page, 1500).bounding_box() == before
    page.get_by_role("button", name="Wrap").click()
    expect(line(page, 1500)).to_be_in_viewport()


def test_the_line_that_tells_why_is_in_view_and_marked(tab: Tab, small: Job) -> None:
    run = run_in(small, HostRunState.FAILED)
    attempt = run.attempts.latest("pk")
    pieces = [b"warming up, still well\n" * 200, b"\x1b[31mworld: cannot load\x1b[0m\n"]
    scenes.add_output(small, attempt, *pieces, b"stopping, in order\n" * 60)
    page = tab.open_job(small, f"?host={run.name}")
    tells = page.locator("#log .lines li.tells")
    expect(tells).to_contain_text("cannot load")
    expect(tells).to_be_in_viewport()
    # It is copied with a link to it; what one selects, instead of it.
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("button", name="Copy 1 line")).to_be_visible()
    assert page.evaluate(PRESSED, "#copy-lines") == "1 line copied"
    link, _, said = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert (link, said) == (tells.locator("a").evaluate("it => it.href"), "world: cannot load")
    select = "(it) => getSelection().setBaseAndExtent(it, 0, it.nextSibling.nextSibling, 1)"
    tells.evaluate(select)
    expect(page.get_by_role("button", name="Copy 3 lines")).to_be_visible()


def test_a_key_leads_to_lines_that_look_like_errors_also_in_steps_that_ended_well(
    tab: Tab, small: Job
) -> None:
    run = run_in(small, HostRunState.FAILED)
    first, second = run.attempts.order_by("step")[1:3]
    scenes.add_output(small, first, b"all is well\n" * 50)
    scenes.add_output(small, second, b"well\n" * 80 + b"libssl: cannot open it\n" + b"well\n" * 80)
    page = tab.open_job(small, f"?host={run.name}")
    tells = page.locator("#log .lines li.tells")
    expect(tells).to_be_in_viewport()
    pointed = page.locator("#log .lines li.pointed")
    page.keyboard.press("m")
    expect(pointed).to_contain_text("libssl: cannot open it")
    expect(pointed).to_be_in_viewport()
    head = page.locator("#log summary", has_text=second.name)
    expect(head).to_contain_text("1 line looks like an error")
    # From the last it leads to the first again.
    page.keyboard.press("m")
    expect(pointed.filter(has_text="ERROR")).to_be_in_viewport()
    expect(pointed).to_have_count(1)
    assert tab.complaints() == []


def test_a_text_is_found_in_one_host_and_in_all_of_them(tab: Tab, large: Job) -> None:
    failed = run_in(large, HostRunState.FAILED)
    page = tab.open_job(large, f"?host={failed.name}")
    page.keyboard.press("/")
    page.keyboard.type("no space")
    hits = page.locator("#log .hits li")
    expect(page.locator("[data-search=said]")).to_have_text("0 lines")
    page.get_by_label("Where to search").select_option("all hosts")
    expect(hits).to_have_count(3)
    expect(page.locator("[data-search=said]")).to_have_text("3 lines")
    assert page.locator("#log").evaluate("it => it.scrollHeight <= it.clientHeight")
    page.get_by_label("Search the output").press("Enter")
    expect(page.locator("[data-search=said]")).to_have_text("1 of 3")
    expect(hits.first.locator("i")).to_have_class("sq failed")
    name = hits.first.locator("b").inner_text()
    expect(page.locator("#log [data-log=name]")).to_have_text(name)
    expect(page.locator("#log .lines li.pointed mark")).to_have_text("No space")
    page.get_by_label("Search the output").press("Escape")
    expect(hits).to_have_count(0)
    expect(page.locator("#log mark")).to_have_count(0)
    assert tab.complaints() == []


# ---- the broker


def test_a_page_says_that_the_broker_is_broken_for_as_long_as_it_is(tab: Tab, large: Job) -> None:
    told: dict[str, Any] = {"broker": {"word": "full", "since": "2026-01-31T02:14:00.000Z"}}

    def pace(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | told)

    tab.page.clock.install()
    tab.page.route("**/pace", pace)
    page = tab.open_job(large)
    note = page.get_by_role("alert").filter(has_text="The message broker has been full since")
    expect(note).to_be_visible()
    told["broker"] = None
    page.clock.fast_forward("00:06")
    expect(note).to_have_count(0)
    assert tab.complaints() == []


# ---- the timeline


def test_every_host_is_a_bar_of_its_steps_and_only_those_in_view_are_drawn(
    tab: Tab, large: Job
) -> None:
    page = tab.open_job(large)
    page.locator("#timeline").scroll_into_view_if_needed()
    health = page.locator("#timeline .paces tr", has_text="health")
    expect(health.locator("td").nth(1)).to_have_text("38 s")
    rows = page.locator("#timeline .g-row")
    expect(rows.first.locator(".g-seg[data-segment]")).to_have_count(6)
    assert 0 < rows.count() < 60
    page.get_by_label("Sorted").select_option("worst first")
    expect(rows.first.locator(".sq")).to_have_class("sq failed")
    page.get_by_role("button", name="From each start").click()
    assert {"sort=worst", "lay=own"} <= set(page.url.partition("?")[2].split("&"))
    # Where nothing moves any more it is drawn once, and then whole.
    Job.objects.filter(pk=large.pk).update(state="failed")
    page.reload()
    page.locator("#timeline").scroll_into_view_if_needed()
    expect(rows.first.locator(".sq")).to_have_class("sq failed")
    expect(rows.nth(21)).to_be_attached()
    assert tab.complaints() == []


def test_the_timeline_is_walked_by_keyboard_and_leads_to_a_log(tab: Tab, large: Job) -> None:
    page = tab.open_job(large, "?sort=name")
    grid = page.locator("#timeline .gantt")
    grid.focus()
    said = page.locator("#timeline .readout")
    expect(page.locator("#timeline .g-row.here .g-seg")).not_to_have_count(0)
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        grid.press(key)
    expect(said).to_contain_text("step 2, stage, updated 8.4 s, usually 8.4 s")
    grid.press("End")
    expect(page.locator("#timeline .g-row.here")).to_be_visible()
    grid.press("Home")
    name = page.locator("#timeline .g-row.here .g-name").inner_text()
    grid.press("Enter")
    expect(page.locator("#log [data-log=name]")).to_have_text(name)
