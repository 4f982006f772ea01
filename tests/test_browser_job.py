"""The page of a job in a real browser: what broke, where, and what to do about it."""

import pytest
from django.db import transaction
from playwright.sync_api import expect

from deploy_tasks import journal
from deploy_tasks.journal import News
from deploy_tasks.models import Event, HostRun, Job
from deploy_tasks.states import HostRunState
from tests import scenes
from tests.browser import CHROMIUM, Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]


@pytest.fixture
def large(tab: Tab) -> Job:
    return scenes.midway(scenes.game("paper", hosts=300))


def tell(job: Job, *news: News) -> None:
    """News of the job, as a worker would tell it."""
    with transaction.atomic():
        journal.append(job.pk, list(news))


# ---- why hosts failed


def test_hosts_that_failed_of_the_same_are_shown_and_retried_together(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    full = page.locator("#causes li", has_text="No space left on device")
    expect(full).to_contain_text("in unpack")
    expect(full.locator(".much")).to_have_text("3")
    expect(full).to_contain_text("tar: paper-1.21.8.jar: Cannot write")
    full.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#table tbody tr")).to_have_count(3)
    page.reload()
    expect(page.locator("#table tbody tr")).to_have_count(3)
    full.get_by_role("button", name="Retry these 3").click()
    expect(page.locator("#activity li").first).to_contain_text("boss retried 3 hosts")
    expect(full).to_have_count(0)
    assert tab.complaints() == []


def test_a_cause_appears_as_soon_as_a_host_fails_of_it(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    run = HostRun.objects.filter(job=large, state=HostRunState.RUNNING, link="")[0]
    end = {"state": HostRunState.FAILED, "holds_host": False, "error": "the map is haunted"}
    with transaction.atomic():
        HostRun.objects.filter(pk=run.pk).update(**end)
        told = {"to": "failed", "error": "the map is haunted"}
        journal.append(large.pk, [News(Event.Kind.HOST, told, host_run=run.pk)])
    expect(page.locator("#causes")).to_contain_text("the map is haunted")


def test_hosts_that_do_not_answer_stand_apart_from_those_that_failed(tab: Tab, large: Job) -> None:
    page = tab.open_job(large)
    away = page.locator("#causes li", has_text="no answer, not counted as failed")
    expect(away).to_contain_text("1 unreachable, 1 unknown")
    away.get_by_role("button", name="Show").click()
    expect(page.locator("#table tbody tr")).to_have_count(2)
