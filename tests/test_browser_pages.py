"""The pages in a real browser: they obey their own policy, and they live."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route, expect

from deploy_tasks import journal
from deploy_tasks.journal import News
from deploy_tasks.models import Attempt, Event, Host, HostCheck, HostKey, HostRun, Job, Release
from deploy_tasks.states import HostRunState, JobState
from tests import factories, scenes
from tests.browser import MARKS, Tab

NO_SOCKETS = """
window.WebSocket = class {
  constructor() {
    setTimeout(() => this.onclose?.({code: 1006}));
  }
  close() {}
};
"""

pytestmark = MARKS


def tell(job: Job, *news: News) -> int:
    """News of the job, as a worker would tell it."""
    with transaction.atomic():
        return journal.append(job.pk, list(news))


def run_in(job: Job, state: HostRunState) -> HostRun:
    return job.host_runs.filter(state=state).order_by("position")[0]


def square(page: Page, name: str) -> Any:
    return page.locator(f"#map [data-host='{name}']")


# ---- the policy, the width, the look


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/jobs/",
        "/jobs/new",
        "/jobs/new?game=squid",
        "/jobs/{job}/",
        "/hosts/",
        "/hosts/squid-first/",
        "/games/",
        "/calls/",
        "/audit/",
        "/login",
        "/admin/",
        "/admin/deploy_tasks/host/",
        "/admin/deploy_tasks/host/add/",
        "/admin/auth/user/add/",
        "/admin/import/",
        "/admin/host-keys/",
    ],
)
def test_no_page_breaks_the_policy_or_runs_over_its_edge(path: str, tab: Tab, small: Job) -> None:
    tab.page.goto(path.format(job=small.pk), wait_until="networkidle")
    for width in (1440, 800, 360):
        tab.page.set_viewport_size({"width": width, "height": 900})
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.complaints() == []


def test_the_bar_of_a_phone_is_one_line(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 360, "height": 800})
    tab.page.goto("/calls/")
    expect(tab.page.get_by_role("link", name="Patchwave")).to_be_visible()
    # As wide as it is with the characters that this machine may have no font for.
    tab.page.locator(".language button").evaluate("one => (one.style.width = '4em')")
    parts = [tab.page.locator(f".top {one}").bounding_box() for one in (".brand", "#menu")]
    middles = [part["y"] + part["height"] / 2 for part in parts if part]
    assert middles[0] == pytest.approx(middles[1], abs=1)
    assert tab.page.evaluate("document.querySelector('.top').offsetHeight") <= 48
    tab.page.get_by_role("button", name="Menu").click()
    expect(tab.page.get_by_role("link", name="Hosts")).to_be_visible()


def test_a_missing_page_says_so_in_our_own_look(tab: Tab) -> None:
    tab.page.goto("/jobs/987654/")
    expect(tab.page.locator("h1")).to_contain_text("There is no such page")
    tab.page.get_by_label("Name or label").fill("squid")
    tab.page.keyboard.press("Enter")
    expect(tab.page).to_have_url(re.compile(r"/hosts/\?q=squid$"))


def test_a_look_shows_as_it_is_found_without_a_reload(tab: Tab, small: Job) -> None:
    host = Host.objects.get(name="squid-first")
    check = HostCheck.objects.create(host=host, asked_at=timezone.now())
    tab.page.goto("/hosts/squid-first/")
    expect(tab.page.locator("#check")).to_contain_text("waits for a worker")
    check.items = [{"part": "reachable", "result": "ok", "says": "SSH answers"}]
    check.started_at = check.ended_at = timezone.now()
    check.save()
    HostKey.objects.create(host=host, key="ssh-rsa AAAA", fingerprint="SHA256:offered")
    expect(tab.page.locator("#check")).to_contain_text("SSH answers")
    expect(tab.page.locator("#keys")).to_contain_text("SHA256:offered")
    assert tab.complaints() == []


def test_a_job_that_was_let_go_is_not_called_paused(tab: Tab) -> None:
    """Resumed, while no worker is there; its reason is of before."""
    job = scenes.midway(scenes.game("squid", hosts=5), state=JobState.PAUSED, done=0.5)
    Job.objects.filter(pk=job.pk).update(reason="paused by mira")
    tab.page.goto(f"/jobs/{job.pk}/")
    expect(tab.page.locator("#verdict")).to_contain_text("Waits for a worker to go on with batch")
    expect(tab.page.get_by_text("paused by mira")).to_have_count(0)
    assert tab.complaints() == []


def test_the_only_batch_of_a_job_is_all_of_it(tab: Tab, small: Job) -> None:
    small.host_runs.update(batch=1)
    small.batches.update(canary=False)
    small.batches.exclude(n=1).delete()
    tab.page.goto(f"/jobs/{small.pk}/")
    expect(tab.page.locator("#rail .t")).to_contain_text("1all")
    reason = tab.page.get_by_role("button", name="Give a reason…")
    colour = "one => getComputedStyle(one).borderTopColor"
    reason.click()
    opened = reason.evaluate(colour)
    reason.click()
    assert reason.evaluate(colour) not in (opened, "rgba(0, 0, 0, 0)")
    assert tab.complaints() == []


# ---- the dashboard


def test_the_dashboard_tells_what_happens_without_a_reload(tab: Tab) -> None:
    tab.page.goto("/")
    expect(tab.page.locator("#headline")).to_contain_text("No update has run here yet.")
    scenes.midway(scenes.game("squid", hosts=5), done=0.5)
    expect(tab.page.locator("#headline")).to_contain_text("1 host is down.")
    expect(tab.page.locator("#now")).to_contain_text("squid 1.21.8")
    expect(tab.page.locator("#causes")).to_contain_text("in “health”, squid 1.21.8")
    expect(tab.page).to_have_title("1 host down: Patchwave")
    assert tab.complaints() == []


def test_what_the_pointer_is_on_does_not_move_away_under_it(tab: Tab) -> None:
    page = tab.page
    job = scenes.midway(scenes.game("squid", hosts=5), done=0.5)
    page.goto("/")
    retry = page.locator("#troubled").get_by_role("button", name="Retry")
    retry.hover()
    before = retry.bounding_box()
    # It would come first, and it is told where nobody points at.
    HostRun.objects.filter(job=job, state=HostRunState.RUNNING).update(
        state=HostRunState.FAILED, down=True, holds_host=False, ended_at=timezone.now()
    )
    expect(page.locator("#headline")).to_contain_text("2 hosts are down.")
    assert retry.bounding_box() == before
    page.mouse.move(700, 5)
    expect(page.locator("#troubled tbody tr")).to_have_count(2)


def test_a_retry_that_is_refused_says_so_beside_its_button(tab: Tab) -> None:
    page = tab.page
    scenes.midway(scenes.game("squid", hosts=5), done=0.5)
    page.goto("/")
    refusal = {"error": {"code": "refused", "message": "a newer job has touched us-001"}}
    page.route("**/retry", lambda route: route.fulfill(status=409, json=refusal))
    page.locator("#troubled").get_by_role("button", name="Retry").click()
    said = page.locator("#troubled").get_by_role("alert")
    expect(said).to_have_text("a newer job has touched us-001")
    with page.expect_response(lambda answer: answer.status == 304):
        pass  # what the server says of the page has no refusal in it
    expect(said).to_have_text("a newer job has touched us-001")


def test_a_retry_from_the_dashboard_shows_at_once(tab: Tab) -> None:
    page = tab.page
    job = scenes.midway(scenes.game("squid", hosts=5), done=0.5)
    page.goto("/")
    with page.expect_request(lambda request: request.headers.get("patchwave-live") == "now"):
        page.locator("#troubled").get_by_role("button", name="Retry").click()
    expect(page.locator("#headline")).to_contain_text("No host is down.")
    expect(page.locator("#troubled")).to_have_count(0)
    assert not job.host_runs.filter(state=HostRunState.FAILED).exists()


def test_a_dashboard_that_nobody_answers_says_from_when_it_is(tab: Tab, small: Job) -> None:
    page = tab.page
    page.goto("/")
    expect(page.locator("#live")).to_have_text("live")
    tab.context.set_offline(True)
    expect(page.locator("#live")).to_contain_text("the server does not answer; as of")
    tab.context.set_offline(False)
    expect(page.locator("#live")).to_have_text("live", timeout=30_000)


def test_a_chinese_browser_is_told_all_of_a_job_in_chinese(
    chromium: Browser, site: str, valkey: str, small: Job
) -> None:
    tab = Tab(chromium, site, factories.user("wei", is_superuser=True), locale="zh-CN")
    page = tab.open_job(small, "?host=" + run_in(small, HostRunState.FAILED).name)
    expect(page.locator("#score .chip").first).to_contain_text("已更新")
    expect(page.locator("#verdict")).to_contain_text("个失败")
    expect(page.locator("#log")).to_contain_text("停服：在 health 失败")
    expect(page.locator("#activity")).to_contain_text("mira 开始更新 5 个区服。")
    assert tab.complaints() == []
    page.get_by_role("button", name="English").click()
    expect(page.locator("#score .chip").first).to_contain_text("updated")
    tab.context.close()


# ---- the start page


def test_hosts_are_checked_before_the_start_and_the_unfit_are_left_out(
    tab: Tab, small: Job
) -> None:
    page = tab.page
    Job.objects.update(state=JobState.CANCELLED)
    HostRun.objects.update(holds_host=False, state=HostRunState.CANCELLED)
    page.goto("/jobs/new?game=squid")
    page.get_by_role("button", name="Check the hosts first").click()
    fitness = page.locator("#fitness")
    expect(fitness).to_contain_text("5 are being looked at")
    well = {"part": "shell", "result": "ok", "says": "sh"}
    full = {"part": "disk", "result": "problem", "says": "1 MB free"}
    for n, check in enumerate(HostCheck.objects.order_by("host__name")):
        check.items, check.ended_at = [well, full] if n == 0 else [well], timezone.now()
        check.save()
    expect(fitness).to_contain_text("4 hosts are fit, 1 is not.")
    expect(fitness).to_contain_text("1 MB free")
    page.get_by_role("button", name="Leave that host out").click()
    expect(page.locator("#plan")).to_contain_text("4 hosts")
    expect(fitness).to_be_empty()
    assert tab.complaints() == []


def test_a_release_is_added_beside_the_plan_and_says_how_far_it_is(tab: Tab, small: Job) -> None:
    page = tab.page
    page.goto("/jobs/new?game=squid")
    page.get_by_text("Add a release").click()
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    network = tab.context.new_cdp_session(page)
    network.send("Network.emulateNetworkConditions", slow)
    page.get_by_label("Version", exact=True).fill("1.21.9")
    build = {"name": "paper.tar", "mimeType": "application/x-tar", "buffer": b"x" * 300_000}
    page.get_by_label("Artifact").set_input_files(build)  # type: ignore[arg-type]
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("[data-progress]")).to_contain_text("of 293.")
    expect(page.get_by_role("radio", name="1.21.9")).to_be_checked()
    expect(page.locator("#plan")).to_contain_text("squid 1.21.9")
    assert Release.objects.get(version="1.21.9").filename == "paper.tar"
    assert tab.complaints() == []


def test_a_release_that_is_refused_says_why_where_it_was_added(tab: Tab, small: Job) -> None:
    page = tab.page
    page.goto("/games/")
    page.get_by_text("Add a release").click()
    page.get_by_label("Version", exact=True).fill("-1")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("A name has 1 to 64")


# ---- the page of a job


def test_five_hundred_hosts_are_five_hundred_squares(tab: Tab) -> None:
    job = scenes.midway(scenes.game("paper", hosts=500))
    page = tab.open_job(job)
    expect(page.locator("#map button.sq")).to_have_count(500)
    expect(page.locator("#score .chip").first).to_contain_text("215updated")
    assert page.locator("#map button.sq.succeeded").count() == 215
    assert tab.complaints() == []


def test_a_few_hosts_are_a_table_of_their_steps(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    # What failed comes first.
    failed = page.locator("#table tbody tr").first
    expect(failed).to_have_attribute("data-host", run_in(small, HostRunState.FAILED).name)
    expect(failed.locator("td .sq.succeeded")).to_have_count(5)
    expect(failed.locator("td .sq.failed")).to_have_count(1)
    expect(failed.locator("td").nth(5)).to_contain_text("38 s")


def test_what_a_worker_tells_shows_without_a_reload(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    run = run_in(small, HostRunState.WAITING)
    tell(small, News(Event.Kind.HOST, {"to": "running"}, host_run=run.pk))
    tell(small, News(Event.Kind.HOST, {"to": "failed", "error": "no space left"}, host_run=run.pk))
    expect(page.locator("#score .chip.hot b")).to_have_text("2")
    expect(page.locator("#verdict")).to_contain_text("2 failed")
    page.locator(f"#table tr[data-host='{run.name}']").hover()
    expect(page.locator("#readout")).to_contain_text("no space left")
    expect(page).to_have_title(re.compile("2 failed"))


def test_the_past_of_a_log_and_its_present_meet_without_a_hole_or_a_double(
    tab: Tab, small: Job
) -> None:
    run = run_in(small, HostRunState.RUNNING)
    scenes.print_lines(small, run.name, 350, line="past {n}")
    page = tab.open_job(small, f"?host={run.name}")
    expect(page.locator("#log [data-log=said]")).to_have_text("351 lines")
    scenes.print_lines(small, run.name, 40, line="present {n}")
    with transaction.atomic():
        journal.append(small.pk, [News(Event.Kind.NOTE, {"text": "a bell"})])
    expect(page.locator("#log [data-log=said]")).to_have_text("391 lines")
    for number, text in ((2, "past 0"), (351, "past 349"), (352, "present 0"), (391, "present 39")):
        page.evaluate("(n) => { location.hash = n; }", f"{run.name}/unpack/{number}")
        expect(page.locator("#log .lines li.pointed code")).to_have_text(text)


def test_where_no_socket_opens_the_page_polls_and_says_so(tab: Tab, small: Job) -> None:
    """As behind a proxy that knows no upgrade."""
    tab.context.add_init_script(NO_SOCKETS)
    page = tab.page
    page.goto(f"/jobs/{small.pk}/")
    expect(page.locator("#link")).to_have_text("polling every 2 s")
    run = run_in(small, HostRunState.WAITING)
    tell(small, News(Event.Kind.HOST, {"to": "failed", "error": "no room"}, host_run=run.pk))
    expect(page.locator("#score .chip.hot b")).to_have_text("2")
    assert tab.complaints() == []


def test_who_logs_out_in_another_tab_is_shown_no_more(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    other = tab.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url("**/login")
    expect(page.locator("#link")).to_have_text(re.compile("^closed: log in again"))


def test_a_tab_that_nobody_looks_at_goes_on_telling_in_its_title(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    other = tab.context.new_page()
    other.bring_to_front()
    run = run_in(small, HostRunState.WAITING)
    tell(small, News(Event.Kind.HOST, {"to": "failed", "error": "no room"}, host_run=run.pk))
    expect(page).to_have_title(re.compile("2 failed"))


def test_the_log_follows_until_one_scrolls(tab: Tab, small: Job) -> None:
    run = run_in(small, HostRunState.RUNNING)
    scenes.print_lines(small, run.name, 300, line="early {n}")
    page = tab.open_job(small, f"?host={run.name}")
    expect(page.locator("#log [data-log=said]")).to_have_text("301 lines")
    expect(page.get_by_text("early 299", exact=True)).to_be_in_viewport()
    folds, follow = page.locator("#log .folds"), page.locator("#log [data-log=follow]")
    expect(follow).to_have_attribute("aria-pressed", "true")
    folds.evaluate("node => { node.scrollTop = 0; }")
    expect(follow).to_have_attribute("aria-pressed", "false")
    scenes.print_lines(small, run.name, 10, line="late {n}")
    tell(small, News(Event.Kind.NOTE, {"text": "a bell"}))
    expect(page.locator("#log [data-log=said]")).to_have_text("311 lines")
    assert folds.evaluate("node => node.scrollTop") == 0
    follow.click()
    expect(page.get_by_text("late 9", exact=True)).to_be_in_viewport()


def test_output_can_neither_inject_markup_nor_command_the_page(tab: Tab, small: Job) -> None:
    run = run_in(small, HostRunState.RUNNING)
    scenes.print_lines(small, run.name, 1, line="<img src=x onerror=alert(1)> \x1b]0;t\x07")
    page = tab.open_job(small, f"?host={run.name}")
    expect(page.locator("#log .lines li").last).to_contain_text(
        "<img src=x onerror=alert(1)> \\x1b]0;t\\x07"
    )
    assert page.locator("#log img").count() == 0
    assert tab.complaints() == []


def test_filter_and_host_are_in_the_address_so_that_a_link_shows_the_same(
    tab: Tab, small: Job
) -> None:
    page = tab.open_job(small)
    failed = run_in(small, HostRunState.FAILED)
    page.locator("#score .chip", has_text="failed").click()
    page.locator("#table").get_by_role("button", name=failed.name).click()
    other = Tab(tab.page.context.browser, page.url.split("/jobs/")[0], User.objects.get())  # type: ignore[arg-type]
    other.page.goto(page.url)
    expect(other.page.locator("#log [data-log=name]")).to_have_text(failed.name)
    expect(other.page.locator("#table tbody tr")).to_have_count(1)
    other.context.close()


def test_the_map_is_walked_with_the_keyboard(tab: Tab) -> None:
    job = scenes.midway(scenes.game("paper", hosts=120))
    page = tab.open_job(job)
    names = [run.name for run in job.host_runs.order_by("batch", "position")]
    page.locator("#map button.sq.sel").focus()
    page.keyboard.press("Home")
    expect(square(page, names[0])).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(square(page, names[1])).to_be_focused()
    expect(page.locator("#readout b")).to_have_text(names[1])
    page.keyboard.press("e")
    expect(square(page, names[7])).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(square(page, names[7])).not_to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    expect(square(page, names[-1])).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#log [data-log=name]")).to_have_text(names[-1])
    assert page.locator("#map [tabindex='0']").count() == 1


def test_a_refused_order_is_said_beside_its_button(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    failed = run_in(small, HostRunState.FAILED)
    expect(page.locator("#retry-host")).to_be_visible()
    newer = factories.job(small.game)
    again = HostRun.objects.create(
        job=newer, host=failed.host, name=failed.name, state="succeeded", holds_host=False
    )
    Attempt.objects.create(
        host_run=again, uid="newer.1", step=0, name="space", number=1, script_sha256="0" * 64
    )
    page.locator("#acts").get_by_role("button", name="Retry 1 failed").click()
    expect(page.locator("#refusal")).to_contain_text(f"{failed.name} has moved on with job")


def test_a_retry_shows_by_what_comes_back_over_the_stream(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    page.locator("#acts").get_by_role("button", name="Retry 1 failed").click()
    expect(page.locator("#activity li").first).to_contain_text("boss retried 1 host")
    expect(page.locator("#score .chip.hot")).to_have_count(0)
    expect(page.locator("#acts").get_by_role("button", name="Retry")).to_be_hidden()


def test_a_host_is_retried_from_where_a_person_says(tab: Tab, small: Job) -> None:
    failed = run_in(small, HostRunState.FAILED)
    page = tab.open_job(small, f"?host={failed.name}")
    page.get_by_label("From which step").select_option("over again from “stage”")
    page.get_by_role("button", name="Retry this host").click()
    expect(page.locator("#activity li").first).to_contain_text("retried 1 host from “stage”")
    expect(page.get_by_label("From which step")).to_be_hidden()
    failed.refresh_from_db()
    assert (failed.state, failed.step) == ("waiting", 1)


def test_what_is_found_out_late_leaves_the_step_that_was_chosen(tab: Tab, small: Job) -> None:
    failed = run_in(small, HostRunState.FAILED)
    late: list[Route] = []
    tab.page.route("**/failures*", lambda route: late.append(route))
    with tab.page.expect_request("**/failures*"):
        page = tab.open_job(small, f"?host={failed.name}")
    chosen = page.get_by_label("From which step")
    expect(chosen).to_contain_text("from where it stopped")
    chosen.select_option("over again from “stage”")
    for route in late:
        route.continue_()
    expect(chosen).not_to_contain_text("from where it stopped")
    expect(chosen).to_have_value("stage")


def test_a_cancel_is_asked_about_first(tab: Tab, small: Job) -> None:
    page = tab.open_job(small)
    page.get_by_role("button", name="Cancel…").click()
    expect(page.locator("#cancel")).to_contain_text("will not be touched")
    page.get_by_role("button", name="Let it run").click()
    assert not Job.objects.get(pk=small.pk).cancelled
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Stop, and take back").click()
    expect(page.locator("#activity")).to_contain_text("boss cancelled the job")
    assert Job.objects.get(pk=small.pk).cancelled
    expect(page.get_by_role("button", name="Force…")).to_be_visible()


def test_an_unknown_host_asks_a_person(tab: Tab, small: Job) -> None:
    run = run_in(small, HostRunState.RUNNING)
    HostRun.objects.filter(pk=run.pk).update(state=HostRunState.UNKNOWN)
    page = tab.open_job(small, f"?host={run.name}")
    page.set_viewport_size({"width": 390, "height": 844})
    fits = "form => form.scrollWidth <= form.clientWidth && form.clientWidth <= innerWidth"
    expect(page.locator("#answer")).to_be_visible()
    assert page.locator("#answer").evaluate(fits)
    page.locator("#answer-note").fill("looked at the console")
    page.get_by_role("button", name="Give up: it failed").click()
    expect(page.locator("#log [data-log=state]")).to_contain_text("failed")
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#activity li").first).to_contain_text("looked at the console")


def test_a_job_that_is_over_is_told_in_the_past_tense(tab: Tab) -> None:
    job = scenes.midway(scenes.game("paper", hosts=8), state=JobState.FAILED)
    page = tab.page
    page.goto(f"/jobs/{job.pk}/")
    expect(page.locator("#verdict")).to_contain_text("Failed after 31 min")
    expect(page.get_by_role("button", name="Cancel…")).to_be_hidden()
    expect(page.get_by_role("button", name="Retry 2 failed")).to_be_visible()
    page.get_by_role("link", name="Order it again…").press("Enter")
    expect(page.get_by_role("radio", name="As in job")).to_be_checked()


# ---- the start page


def test_the_button_says_how_many_hosts_and_a_double_click_starts_one_job(tab: Tab) -> None:
    scenes.game("squid", hosts=5)
    page = tab.page
    page.goto("/jobs/new?game=squid")
    go = page.locator("#go")
    expect(go).to_have_text("Start update of 5 hosts")
    page.get_by_text("By label").click()
    page.get_by_label("region").select_option("eu")
    expect(go).to_have_text("Start update of 1 host")
    expect(page.locator("#plan")).to_contain_text("6 steps on each host")
    go.dblclick()
    expect(page).to_have_url(re.compile(r"/jobs/\d+/"))
    assert Job.objects.count() == 1
    assert tab.complaints() == []


def test_hosts_are_picked_from_a_long_list_by_the_keyboard(tab: Tab) -> None:
    scenes.game("squid", hosts=300)
    page = tab.page
    page.goto("/jobs/new?game=squid")
    page.get_by_text("By name").click()
    search = page.get_by_role("combobox")
    rows = page.get_by_role("option")
    expect(rows).to_have_count(100)
    search.fill("eu- shard=b")
    expect(page.locator("[data-pick=said]")).to_have_text("0 of 300 picked, 50 hosts found")
    for key in ("ArrowDown", "Enter", "ArrowDown", "Enter", "Enter"):
        search.press(key)
    expect(page.locator("#go")).to_have_text("Start update of 1 host")
    expect(page.locator("#pick-1")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Pick the 50 found").click()
    expect(page.locator("#go")).to_have_text("Start update of 50 hosts")
    search.press("Escape")
    for _ in range(15):
        search.press("PageDown")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="Pick none").click()
    search.evaluate(
        """(node) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text", "us-001,us-004 nobody");
          node.dispatchEvent(new ClipboardEvent("paste", {clipboardData, cancelable: true}));
        }"""
    )
    expect(page.locator("[data-pick=said]")).to_contain_text("not a host of this game: nobody")
    expect(page.locator("#go")).to_have_text("Start update of 2 hosts")
    assert page.locator("#names").input_value() == "us-001 us-004"


def test_an_order_is_staged_now_and_switched_at_a_time_of_ones_own_clock(tab: Tab) -> None:
    scenes.game("squid", hosts=5)
    page = tab.page
    page.goto("/jobs/new?game=squid")
    page.get_by_text("Stage now, switch at a set time").click()
    page.get_by_label("Time, on your clock").fill("2999-01-31T04:00")
    expect(page.locator("#plan")).to_contain_text("All hosts stage, 50 at a time: space, stage")
    expect(page.locator("#plan")).to_contain_text("They go down, batch after batch: stop, switch")
    page.locator("#go").click()
    page.wait_for_url("**/jobs/*/")
    here = page.evaluate("new Date('2999-01-31T04:00').toISOString()")
    job = Job.objects.get()
    assert job.start_at == datetime.fromisoformat(here)
    assert job.rollout["stage"] == "ahead"
    HostRun.objects.update(state="staged", held=True, fence=1)
    Job.objects.update(state=JobState.PAUSED)
    page.reload()
    expect(page.locator("#verdict")).to_contain_text("5 of 5 staged; the switch begins at 2999-")
    expect(page.locator("main")).to_contain_text(
        re.compile("Hosts begin to go down at .* 04:00, in")
    )
    switch = page.get_by_role("button", name="Switch…")
    switch.click()
    expect(page.locator("#switch [data-say]")).to_have_text(
        "5 hosts are staged and go down batch after batch."
    )
    expect(page.locator("#switch-at")).to_have_value("2999-01-31T04:00")
    page.locator("#switch-at").fill("2999-01-31T05:30")
    page.get_by_role("button", name="Set the time").click()
    expect(page.locator("main")).to_contain_text(re.compile("go down at .* 05:30, in"))
    switch.click()
    page.get_by_role("button", name="Switch now").click()
    expect(page.locator("#verdict")).to_contain_text("5 staged")
    expect(switch).to_be_hidden()
    assert tab.complaints() == []


def test_a_busy_host_is_said_before_anything_is_pressed(tab: Tab, small: Job) -> None:
    page = tab.page
    page.goto("/jobs/new?game=squid")
    expect(page.locator("#plan")).to_contain_text("stand in the way")
    expect(page.locator("#plan")).to_contain_text(f"busy with job #{small.pk} of mira")
    expect(page.locator("#go")).to_be_disabled()
