"""The pages: who may see them, what they say, what the orders on them do."""

import csv
import io
import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deploy_tasks import audit
from deploy_tasks.models import AuditEntry, Game, HostCheck, HostKey, HostRun, Job, Sighting
from deploy_tasks.orders import JobOrder, start_job
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import HostRunState, JobState
from tests import factories, scenes
from tests.stories import person
from webapp import broker
from webapp.forms import VALUES_SHOWN, JobForm
from webapp.models import Role
from webapp.views.jobs import chapters

pytestmark = pytest.mark.django_db

PAGES = ["/", "/jobs/", "/jobs/new", "/hosts/", "/games/", "/calls/", "/audit/"]


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid", text=scenes.RECIPE)
    factories.release(game, "1.0")
    factories.release(game, "2.0")
    for name, region in (("eu-1", "eu"), ("eu-2", "eu"), ("us-1", "us")):
        factories.host(game, name, labels={"region": region})
    return game


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was rung: there is no broker here."""
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "deploy_tasks.bells._ring",
        lambda task, messages: rung.extend((task, one) for (one,) in messages),
    )
    return rung


@pytest.fixture
def operator(squid: Game) -> User:
    return person("olga", game=squid, role=Role.OPERATOR)


@pytest.fixture
def viewer(squid: Game) -> User:
    return person("vera", game=squid, role=Role.VIEWER)


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    """What a person reads: without marks, white space as one space."""
    without = re.sub(r"<script.*?</script>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", without)


def order(client: Client, **given: Any) -> HttpResponse:
    form = {"key": "k-1", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    return client.post("/jobs/new", form | given)  # type: ignore[return-value]


# ---- who may see what


@pytest.mark.parametrize("page", PAGES)
def test_whoever_is_not_logged_in_is_asked_to(page: str) -> None:
    answer = Client().get(page)
    assert answer.status_code == 302
    assert answer["Location"] == f"/login?next={page}"


@pytest.mark.parametrize("page", PAGES[:6])
def test_every_page_opens_for_an_operator_of_one_game(page: str, operator: User) -> None:
    assert browser(operator).get(page).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_an_empty_instance(page: str) -> None:
    boss = factories.user("boss", is_superuser=True, is_staff=True)
    assert browser(boss).get(page).status_code == 200


@pytest.mark.parametrize("page", ["/jobs/", "/hosts/", "/games/", "/"])
def test_other_games_are_not_shown(page: str, viewer: User) -> None:
    hidden = factories.game("secret-game")
    factories.job(hidden, hosts=1)
    assert "secret-game" not in text(browser(viewer).get(page))


def test_a_job_of_another_game_is_not_there(viewer: User) -> None:
    job = factories.job(factories.game("secret-game"))
    assert browser(viewer).get(f"/jobs/{job.pk}/").status_code == 404
    assert browser(viewer).get(f"/jobs/{job.pk}/steps").status_code == 404


def test_a_host_of_another_game_is_not_there(viewer: User) -> None:
    factories.host(factories.game("secret-game"), "hidden-1")
    assert browser(viewer).get("/hosts/hidden-1/").status_code == 404


def test_the_audit_takes_a_role_in_all_games(viewer: User) -> None:
    assert browser(viewer).get("/audit/").status_code == 403
    assert browser(person("aud", role=Role.VIEWER)).get("/audit/").status_code == 200


def body(answer: Any) -> str:
    async def read() -> bytes:
        return b"".join([piece async for piece in answer])

    return async_to_sync(read)().decode()


@pytest.fixture
def auditor() -> Client:
    mira, anna = factories.user("mira"), factories.user("anna")
    audit.record(mira, "start_job", "#1", game=factories.game("paper"), hosts=3)
    with audit.coming_from("192.0.2.7"):
        audit.record(anna, "approve_key", "eu-1", before={"key": "old"}, after={"key": "new"})
    audit.record(None, "import", "=cmd|' /C calc'!A0", note="@now")
    return browser(person("auditor", role=Role.VIEWER))


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ["import", "approve_key", "start_job"]),
        ("who=mir", ["start_job"]),
        ("did=key", ["approve_key"]),
        ("object=EU", ["approve_key"]),
        ("game=paper", ["start_job"]),
        ("since=2999-01-01", []),
        ("since=2020-01-01&who=anna", ["approve_key"]),
        ("since=nonsense&q=anna", ["approve_key"]),
        ("_connector=OR&actor__password__startswith=a", ["import", "approve_key", "start_job"]),
    ],
)
def test_the_audit_is_filtered(auditor: Client, query: str, left: list[str]) -> None:
    page = auditor.get(f"/audit/?{query}").content.decode()
    assert re.findall(r'<td class="nowrap">(\w+)</td>', page) == left
    lines = body(auditor.get(f"/audit/export.jsonl?{query}")).splitlines()
    assert [json.loads(line)["action"] for line in lines] == left[::-1]


def test_the_audit_shows_from_where_and_what_was_there_before(auditor: Client) -> None:
    page = auditor.get("/audit/").content.decode()
    assert "192.0.2.7" in page
    assert "key: <del>old</del> → new" in page


def test_what_is_exported_verifies_and_is_no_formula(auditor: Client) -> None:
    answer = auditor.get("/audit/export.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(body(answer))))
    assert rows[2]["object"] == "'=cmd|' /C calc'!A0"
    assert rows[2]["previous"] == rows[1]["hash"]
    assert json.loads(rows[1]["details"])["after"] == {"key": "new"}
    assert auditor.get("/audit/export.xlsx").status_code == 404


def test_an_export_takes_the_same_right(viewer: User) -> None:
    assert browser(viewer).get("/audit/export.csv").status_code == 403


def test_the_audit_knows_where_an_order_came_from(auditor: Client) -> None:
    game = factories.game()
    factories.host(game, "new-1", pinned=False).keys.create(key="ssh-ed25519 B", fingerprint="f")
    admin = browser(person("boss", role=Role.ADMINISTRATOR))
    admin.post("/hosts/new-1/approve-key", {"fingerprint": "f"}, REMOTE_ADDR="198.51.100.4")
    assert AuditEntry.objects.get(object="new-1").address == "198.51.100.4"


# ---- logging in and out


def test_a_person_logs_in_and_comes_where_they_wanted_to_go(viewer: User) -> None:
    client = Client()
    form = {"username": "vera", "password": "correct horse", "next": "/hosts/"}
    assert client.post("/login", form)["Location"] == "/hosts/"
    assert client.get("/hosts/").status_code == 200


def test_a_wrong_password_is_said_in_words(viewer: User) -> None:
    answer = Client().post("/login", {"username": "vera", "password": "wrong"})
    assert "Please enter a correct username and password" in text(answer)


def test_guessing_passwords_ends_in_a_page_that_says_so(viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = Client().post("/login", {"username": "vera", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many wrong passwords." in text(answer)


def test_logging_out_is_a_post(viewer: User) -> None:
    client = browser(viewer)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 302
    assert client.get("/").status_code == 302


# ---- what the pages say


def test_the_dashboard_names_the_hosts_that_are_down_first(squid: Game, viewer: User) -> None:
    job = factories.job(squid, state=JobState.FAILED)
    for host, down, error in (("eu-1", False, "no space"), ("us-1", True, "does not start")):
        HostRun.objects.create(
            job=job,
            host=squid.hosts.get(name=host),
            name=host,
            state=HostRunState.FAILED,
            holds_host=False,
            down=down,
            error=error,
        )
    said = text(browser(viewer).get("/"))
    assert "1 host is down." in said
    assert said.index("does not start") < said.index("no space")


def test_a_host_that_was_updated_since_is_no_longer_in_trouble(squid: Game, viewer: User) -> None:
    host = squid.hosts.get(name="eu-1")
    for state in (HostRunState.FAILED, HostRunState.SUCCEEDED):
        HostRun.objects.create(
            job=factories.job(squid), host=host, name="eu-1", state=state, holds_host=False
        )
    assert "No host is down." in text(browser(viewer).get("/"))


def test_the_dashboard_warns_before_the_disk_is_full(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nearly full" not in text(browser(viewer).get("/"))
    monkeypatch.setattr("shutil.disk_usage", lambda _path: (100 << 30, 97 << 30, 3 << 30))
    assert "nearly full: 3.0 GB left." in text(browser(viewer).get("/"))


@pytest.mark.parametrize(
    ("word", "says"), [("away", "has not answered since"), ("full", "has been full since")]
)
def test_pages_say_that_the_broker_is_broken_and_since_when(
    word: str, says: str, squid: Game, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, tab = factories.job(squid), browser(viewer)
    pages = ["/", f"/jobs/{job.pk}/"]
    assert not any("message broker" in text(tab.get(page)) for page in pages)
    since = timezone.now().replace(hour=2, minute=14)
    monkeypatch.setattr(broker.watch, "trouble", broker.Trouble(word, since))
    for page in pages:
        assert f"The message broker {says} {since:%Y-%m-%d} 02:14 UTC ." in text(tab.get(page))
    assert tab.get(f"/api/v1/jobs/{job.pk}/pace").json()["broker"]["word"] == word
    Job.objects.filter(pk=job.pk).update(state="failed")
    assert "message broker" not in text(tab.get(pages[1])), "nothing of it is to begin"


def test_the_dashboard_counts_versions_and_what_is_to_go(squid: Game, viewer: User) -> None:
    HostRun.objects.create(
        job=factories.job(squid),
        host=squid.hosts.get(name="eu-1"),
        name="eu-1",
        state=HostRunState.SUCCEEDED,
        holds_host=False,
        version="2.0",
    )
    said = text(browser(viewer).get("/"))
    assert "squid 3 2.0 1.0 1 2.0 1 not seen yet 2 – 2 to go" in said
    assert "2 to go" in said


def test_jobs_are_filtered_by_state_and_game(squid: Game, viewer: User) -> None:
    failed, running = (factories.job(squid, state=state) for state in ("failed", "running"))
    said = text(browser(viewer).get("/jobs/?state=failed&game=squid"))
    assert f"#{failed.pk} " in said
    assert f"#{running.pk} " not in said


def test_older_jobs_are_one_page_away(squid: Game, viewer: User) -> None:
    first = factories.job(squid)
    for _ in range(50):
        factories.job(squid)
    page = browser(viewer).get("/jobs/")
    assert f">#{first.pk}<" not in page.content.decode()
    older = re.search(r"before=\d+", page.content.decode())
    assert older
    assert f">#{first.pk}<" in browser(viewer).get(f"/jobs/?{older[0]}").content.decode()


def test_newer_jobs_are_one_page_away_too(squid: Game, viewer: User) -> None:
    jobs = [factories.job(squid).pk for _ in range(120)]
    client = browser(viewer)

    def told(query: str) -> list[int]:
        page = client.get(f"/jobs/?{query}").content.decode()
        return [int(pk) for pk in re.findall(r">#(\d+)<", page)]

    assert told(f"before={jobs[20]}") == jobs[19::-1]
    assert told(f"after={jobs[19]}") == jobs[69:19:-1]
    assert told(f"after={jobs[100]}") == told("") == jobs[:69:-1]


def test_jobs_are_filtered_by_who_and_since_when(squid: Game, viewer: User) -> None:
    old, other, mine = (factories.job(squid) for _ in range(3))
    Job.objects.filter(pk=other.pk).update(by_name="jonas")
    Job.objects.filter(pk=old.pk).update(created_at="2026-01-01T00:00Z")
    said = text(browser(viewer).get("/jobs/?by=Mira&since=2026-01-02"))
    assert f"#{mine.pk} " in said
    assert f"#{other.pk} " not in said
    assert f"#{old.pk} " not in said


def test_what_is_not_over_yet_is_a_filter_of_its_own(squid: Game, viewer: User) -> None:
    over, halted = (factories.job(squid, state=state) for state in ("failed", "halted"))
    said = text(browser(viewer).get("/jobs/?state=open&since=nonsense"))
    assert (f"#{halted.pk} " in said, f"#{over.pk} " in said) == (True, False)


def test_hosts_are_found_by_name_and_by_label(squid: Game, viewer: User) -> None:
    client = browser(viewer)
    by_label, by_name = text(client.get("/hosts/?q=region=us")), text(client.get("/hosts/?q=eu-"))
    assert ("us-1" in by_label, "eu-1" in by_label) == (True, False)
    assert ("us-1" in by_name, "eu-1" in by_name) == (False, True)


def test_labels_narrow_the_hosts_and_their_values_widen_them(squid: Game, viewer: User) -> None:
    factories.host(squid, "ap-1", labels={"region": "ap", "shard": "a"})
    factories.host(squid, "ap-2", labels={"region": "ap", "shard": "b"})
    assert listed(viewer, "label=region=ap&label=region=us") == ["ap-1", "ap-2", "us-1"]
    assert listed(viewer, "label=region=ap&label=region=us&label=shard=a") == ["ap-1"]
    said = text(browser(viewer).get("/hosts/?game=squid"))
    assert "region ap 2 eu 2 us 1 shard a 1 b 1" in said


def listed(user: User, query: str) -> list[str]:
    page = browser(user).get(f"/hosts/?{query}").content.decode()
    return re.findall(r'<tr data-key="([^"]+)"', page)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"on_disk": "1.0"}, "Running – not asked yet"),
        ({"silence": "timed out"}, "Running – players unknown"),
        ({"running": "1.0", "players": 0}, "Running 1.0 0 players"),
    ],
)
def test_a_game_that_was_not_asked_is_not_told_to_have_kept_silent(
    squid: Game, viewer: User, seen: dict[str, Any], told: str
) -> None:
    Sighting.objects.create(host=squid.hosts.get(name="eu-1"), at=timezone.now(), **seen)
    assert told in text(browser(viewer).get("/hosts/eu-1/"))


def test_hosts_are_found_by_what_they_said_last(squid: Game, viewer: User) -> None:
    for name, version in (("eu-1", "1.0"), ("eu-1", "2.0-rc"), ("eu-1", ""), ("us-1", "1.0")):
        run(squid, name, HostRunState.FAILED, version=version)
    assert listed(viewer, "version=2.0-rc") == ["eu-1"]
    assert listed(viewer, "version=1.0") == ["us-1"]
    assert listed(viewer, "version=-") == ["eu-2"]


def run(game: Game, name: str, state: HostRunState, **more: Any) -> HostRun:
    return HostRun.objects.create(
        job=factories.job(game),
        host=game.hosts.get(name=name),
        name=name,
        state=state,
        holds_host=False,
        **more,
    )


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("trouble", ["eu-1", "us-1"]),
        ("down", ["us-1"]),
        ("failed", ["us-1"]),
        ("unknown", ["eu-1"]),
        ("done", ["eu-2"]),
        ("never", ["ap-1"]),
        ("unpinned", ["ap-1"]),
        ("updating", []),
    ],
)
def test_hosts_are_found_by_how_they_stand(
    state: str, names: list[str], squid: Game, viewer: User
) -> None:
    factories.host(squid, "ap-1", pinned=False)
    run(squid, "eu-2", HostRunState.FAILED)
    run(squid, "eu-2", HostRunState.SUCCEEDED)
    run(squid, "eu-1", HostRunState.UNKNOWN)
    run(squid, "us-1", HostRunState.FAILED, down=True)
    assert listed(viewer, f"state={state}") == names


def test_a_host_that_failed_is_retried_by_whoever_may(
    squid: Game, viewer: User, operator: User
) -> None:
    failed = run(squid, "eu-1", HostRunState.FAILED)
    order = f'data-order="/api/v1/jobs/{failed.job_id}/retry"'
    assert order in browser(operator).get("/hosts/eu-1/").content.decode()
    assert order not in browser(viewer).get("/hosts/eu-1/").content.decode()


def test_the_past_of_a_host_goes_on_on_the_next_page(squid: Game, viewer: User) -> None:
    runs = [run(squid, "eu-1", HostRunState.SUCCEEDED, version=f"1.{n}") for n in range(35)]
    first = browser(viewer).get("/hosts/eu-1/").content.decode()
    assert f"before={runs[5].job_id}" in first
    older = text(browser(viewer).get(f"/hosts/eu-1/?before={runs[5].job_id}"))
    assert f"#{runs[4].job_id} " in older
    assert f" #{runs[6].job_id} 2" not in older
    assert "On disk 1.34" in older


def test_a_job_page_says_how_it_stands_and_hands_over_what_the_script_needs(
    squid: Game, viewer: User
) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    client = browser(factories.user("boss", is_superuser=True))
    answer = client.get(f"/jobs/{job.pk}/")
    page = answer.context["page"]
    assert page["job"]["verdict"] in text(answer)
    assert page["steps"] == scenes.STEPS
    assert [item["what"] for item in page["activity"] if item["k"] == "order"] == ["start"]
    assert client.get(page["urls"]["hosts"]).status_code == 200
    assert client.get(page["urls"]["events"]).status_code == 200


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of so few rows tell nothing there")
def test_the_chapters_of_a_job_are_not_looked_for_among_all_its_output(squid: Game) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    assert "chapters_of_a_job" in chapters(job).explain()


def test_the_steps_of_a_job_are_the_newest_attempt_of_each(squid: Game, viewer: User) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    boss = browser(factories.user("boss", is_superuser=True))
    told = boss.get(f"/jobs/{job.pk}/steps").json()
    assert told["as_of_seq"] == job.last_seq
    failed = next(run for run in job.host_runs.all() if run.state == HostRunState.FAILED)
    steps = told["hosts"][failed.name]
    assert [step["step"] for step in steps] == list(scenes.STEPS)
    assert (steps[-1]["state"], steps[-1]["rc"], steps[-1]["seconds"]) == ("failed", 1, 38.0)


def test_what_a_person_wrote_is_text_and_not_markup(squid: Game, viewer: User) -> None:
    job = factories.job(squid, note="<img src=x onerror=alert(1)></script>")
    page = browser(viewer).get(f"/jobs/{job.pk}/").content.decode()
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_the_games_page_says_where_each_version_is() -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    scenes.midway(scenes.game("paper", hosts=20))
    seen = Counter(HostRun.objects.values_list("version", flat=True))
    rows = {row.version: row for row in boss.get("/games/").context["games"][0][2]}
    assert rows["1.21.8"].on_disk == seen["1.21.8"] > 0
    assert rows["1.21.4"].on_disk == seen["1.21.4"]
    assert list(rows) == ["1.21.8", "1.21.4", ""]
    assert rows[""].on_disk == seen[""]


@pytest.mark.parametrize("page", ["/", "/jobs/", "/hosts/", "/jobs/new?game=paper", "/games/"])
def test_a_page_costs_as_many_queries_with_three_hundred_hosts_as_with_five(page: str) -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    # How long it takes is told of those that run: as many in both.
    few_hosts = scenes.midway(scenes.game("paper", hosts=5))
    few = queries(boss, page)
    Job.objects.filter(pk=few_hosts.pk).update(state=JobState.HALTED)
    scenes.midway(scenes.game("luanti", hosts=300, prefix="l-"))
    assert queries(boss, page.replace("paper", "luanti")) <= few


def test_a_job_page_costs_the_same_queries_with_three_hundred_hosts() -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    small = scenes.midway(scenes.game("paper", hosts=3))
    large = scenes.midway(scenes.game("luanti", hosts=300, prefix="l-"))
    # Of three hosts too few are through a step: earlier jobs are asked, too.
    assert queries(boss, f"/jobs/{large.pk}/") <= queries(boss, f"/jobs/{small.pk}/")
    assert queries(boss, f"/jobs/{large.pk}/steps") == queries(boss, f"/jobs/{small.pk}/steps")


def queries(client: Client, page: str) -> int:
    client.get(page)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


# ---- the start page


def test_the_form_starts_a_job(bells: list[Any], squid: Game, operator: User) -> None:
    answer = order(browser(operator), note="tonight", var_motd="hi")
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert (job.by, job.release.version, job.note) == (operator, "2.0", "tonight")
    assert job.vars == {"motd": "hi"}
    assert job.rollout["canary"] == 1
    assert job.host_runs.count() == 3


def test_a_form_that_comes_twice_starts_one_job(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    assert order(client)["Location"] == order(client)["Location"]
    assert Job.objects.count() == 1


def test_a_form_that_was_changed_after_it_was_sent_is_refused_and_gets_a_new_key(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    order(client)
    answer = order(client, version="1.0")
    assert answer.status_code == 409
    assert "this key came before" in text(answer)
    assert 'value="k-1"' not in answer.content.decode()
    assert Job.objects.count() == 1


def test_hosts_are_chosen_by_label(bells: list[Any], squid: Game, operator: User) -> None:
    order(browser(operator), which="label", label_region="eu")
    assert sorted(Job.objects.get().host_runs.values_list("name", flat=True)) == ["eu-1", "eu-2"]


def test_hosts_are_chosen_by_name(bells: list[Any], squid: Game, operator: User) -> None:
    order(browser(operator), which="names", host=["us-1"], names="eu-2, us-1")
    assert sorted(Job.objects.get().host_runs.values_list("name", flat=True)) == ["eu-2", "us-1"]


def test_a_rollout_is_given_by_hand(bells: list[Any], squid: Game, operator: User) -> None:
    order(
        browser(operator),
        rollout="custom",
        canary="2",
        batches="50%, 100%",
        parallel="7",
        max_failed="5%",
    )
    rollout = Job.objects.get().rollout
    assert (rollout["canary"], rollout["batches"]) == (2, ["50%", "100%"])
    assert (rollout["parallel"], rollout["max_failed"]) == (7, "5%")


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"version": "9.9"}, "version", "not one of the available choices"),
        ({"which": "names", "names": "eu-9"}, "names", "no host “eu-9”"),
        ({"which": "names"}, "names", "names no host"),
        ({"rollout": "custom", "batches": "50%, 10%"}, "batches", "larger than the one before"),
        ({"rollout": "custom", "parallel": "none"}, "parallel", "Enter a whole number"),
        ({"rollout": "custom", "max_failed": "many"}, "max_failed", "a number of hosts"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field(
    given: dict[str, str], field: str, words: str, squid: Game, operator: User
) -> None:
    page = order(browser(operator), **given).content.decode()
    beside = re.search(rf'data-error="{field}"[^>]*>(.*?)</', page, re.DOTALL)
    assert beside
    assert words in beside[1].replace("&#x27;", "'")
    assert not Job.objects.exists()


def test_a_busy_host_refuses_the_order_in_words_beside_the_button(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    order(client)
    answer = order(client, key="k-2")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert page.index('id="go"') < page.index("busy: ")
    assert Job.objects.count() == 1


def test_a_viewer_may_not_start(squid: Game, viewer: User) -> None:
    client = browser(viewer)
    assert order(client).status_code == 403
    assert client.get("/jobs/new?game=squid").status_code == 403
    assert client.post("/jobs/new/plan", {"game": "squid"}).status_code == 403
    assert not Job.objects.exists()


def test_the_plan_says_what_the_form_would_do(squid: Game, operator: User) -> None:
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    told = browser(operator).post("/jobs/new/plan", form).json()
    assert told["hosts"] == 3
    assert [batch["size"] for batch in told["batches"]] == [1, 1, 1]
    assert not Job.objects.exists()


def test_the_plan_of_a_wrong_form_names_the_field(squid: Game, operator: User) -> None:
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "names", "names": "nobody"}
    answer = browser(operator).post("/jobs/new/plan", form)
    assert answer.status_code == 422
    assert "no host “nobody”" in answer.json()["errors"]["names"][0]


def test_the_start_page_takes_a_host_and_a_version_from_its_address(
    squid: Game, operator: User
) -> None:
    page = browser(operator).get("/jobs/new?game=squid&host=eu-2&version=1.0").content.decode()
    assert re.search(r'value="eu-2" checked', page)
    assert re.search(r'value="names" checked', page)
    assert re.search(r'value="1.0" checked', page)


def test_an_order_is_given_again_by_the_very_terms_of_an_earlier_one(
    squid: Game, operator: User, viewer: User
) -> None:
    client = browser(operator)
    terms = {"canary": 1, "max_down": {"region": 1}, "stage": "ahead", "preflight": True}
    earlier = start_job(
        JobOrder(game="squid", version="1.0", hosts=["eu-1", "us-1"], rollout=Rollout(**terms)),
        by=operator,
    )[0]
    Job.objects.filter(pk=earlier.pk).update(vars={"motd": "hi"}, state=JobState.CANCELLED)
    HostRun.objects.update(holds_host=False, state="cancelled")
    assert f"/jobs/new?like={earlier.pk}" in client.get(f"/jobs/{earlier.pk}/").content.decode()
    assert "new?like" not in browser(viewer).get(f"/jobs/{earlier.pk}/").content.decode()
    page = client.get(f"/jobs/new?like={earlier.pk}").content.decode()
    for chosen in ("1.0", "names", "eu-1", "us-1", "#like", "now"):
        assert re.search(rf'value="{chosen}" checked', page)
    assert not re.search(r'value="eu-2" checked', page)
    assert re.search(r'name="preflight" checked', page)
    assert 'value="hi"' in page
    form = {"like": str(earlier.pk), "rollout": "#like", "which": "all", "version": "2.0"}
    assert order(client, **form).status_code == 302
    job = Job.objects.latest("pk")
    assert job.rollout == earlier.rollout | {"stage": "in_batch", "preflight": False}
    assert client.get("/jobs/new?like=999").status_code == 404


def test_older_releases_can_be_chosen_too(squid: Game, operator: User) -> None:
    for n in range(8):
        factories.release(squid, f"3.{n}")
    page = browser(operator).get("/jobs/new?game=squid&version=1.0").content.decode()
    assert 'value="1.0" checked' in page
    assert '<details class="older" open>' in page
    assert "4 older releases" in page


def test_an_order_is_given_for_a_time_and_staged_ahead(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    assert "Stage now" in text(client.get("/jobs/new?game=squid"))
    later = {"when": "stage_at", "start_at": "2999-01-01T04:00:00.000Z", "preflight": "on"}
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "careful"}
    plan = client.post("/jobs/new/plan", form | later).json()
    assert plan["start_at"] == "2999-01-01T04:00:00.000Z"
    ahead = [step["name"] for step in plan["steps"] if step["ahead"]]
    assert ahead == ["space", "stage", "unpack"]
    assert plan["batches"][0]["canary"]
    order(client, rollout="careful", **later)
    job = Job.objects.get()
    assert job.start_at == datetime(2999, 1, 1, 4, tzinfo=UTC)
    terms = job.rollout
    assert (terms["stage"], terms["preflight"], terms["gate"]) == ("ahead", True, "manual")


def test_a_recipe_that_takes_nobody_down_is_not_staged(operator: User, squid: Game) -> None:
    calm = factories.RECIPE.replace("- name: stop", "- name: hello")
    squid.recipe.revisions.create(number=2, text=calm, sha256="2" * 64)
    assert "Stage now" not in text(browser(operator).get("/jobs/new?game=squid"))


def test_a_time_that_is_not_said_is_asked_for(squid: Game, operator: User) -> None:
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "when": "at"}
    answer = browser(operator).post("/jobs/new/plan", form)
    assert answer.json()["errors"] == {"start_at": ["Say at what time."]}


def test_the_plan_names_hosts_that_have_the_version_already(squid: Game, operator: User) -> None:
    host = squid.hosts.get(name="eu-1")
    done = factories.job(squid, state="succeeded")
    Job.objects.update(release=squid.releases.get(version="2.0"))
    HostRun.objects.create(
        job=done, host=host, name="eu-1", state="succeeded", version="2.0", holds_host=False
    )
    HostRun.objects.update(ended_at=timezone.now())
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    client = browser(operator)
    assert client.post("/jobs/new/plan", form).json()["skipped"] == [
        {"host": "eu-1", "reason": "has 2.0 already, as it was last seen"}
    ]
    assert client.post("/jobs/new/plan", form | {"force": "on"}).json()["skipped"] == []


def test_the_hosts_to_pick_from_are_told_with_their_labels_and_jobs(
    squid: Game, operator: User, viewer: User
) -> None:
    job = factories.job(squid, state="running")
    host = squid.hosts.get(name="eu-1")
    HostRun.objects.create(job=job, host=host, name="eu-1", state="running")
    told = browser(operator).get("/jobs/new/hosts?game=squid").json()["hosts"]
    assert [one["name"] for one in told] == ["eu-1", "eu-2", "us-1"]
    assert [one["busy"] for one in told] == [job.pk, None, None]
    assert (told[0]["address"], told[0]["labels"]) == (host.address, host.labels)
    assert browser(viewer).get("/jobs/new/hosts?game=squid").status_code == 403


def test_a_label_with_very_many_values_is_typed(squid: Game) -> None:
    for n in range(VALUES_SHOWN + 1):
        factories.host(squid, labels={"rack": str(n)})
    form = JobForm(squid)
    assert not hasattr(form.fields["label_rack"], "choices")


def test_only_an_administrator_of_the_game_is_offered_to_add_a_release(
    squid: Game, operator: User
) -> None:
    anna = browser(person("anna", game=squid, role=Role.ADMINISTRATOR))
    for page in ("/jobs/new?game=squid", "/games/"):
        assert "Add a release" in text(anna.get(page))
        assert "Add a release" not in text(browser(operator).get(page))


def test_a_careful_rollout_halts_at_the_first_failure(
    bells: list[Any], squid: Game, operator: User
) -> None:
    order(browser(operator), rollout="careful")
    assert Job.objects.get().rollout["max_failed"] == 0


# ---- a host's key


@pytest.fixture
def offered(squid: Game) -> HostKey:
    host = factories.host(squid, "new-1", pinned=False)
    return HostKey.objects.create(host=host, key="ssh-ed25519 BBBB", fingerprint="SHA256:seen")


def test_an_administrator_approves_a_fingerprint(squid: Game, offered: HostKey) -> None:
    admin = person("ada", game=squid, role=Role.ADMINISTRATOR)
    client = browser(admin)
    assert "SHA256:seen" in text(client.get("/hosts/new-1/"))
    client.post("/hosts/new-1/approve-key", {"fingerprint": "SHA256:seen"})
    offered.refresh_from_db()
    assert offered.approved_by == admin
    assert AuditEntry.objects.filter(action="approve_key", object="new-1").exists()


def test_an_operator_sees_the_fingerprint_and_cannot_approve_it(
    operator: User, offered: HostKey
) -> None:
    client = browser(operator)
    page = client.get("/hosts/new-1/").content.decode()
    assert "SHA256:seen" in page
    assert "approve-key" not in page
    answer = client.post("/hosts/new-1/approve-key", {"fingerprint": "SHA256:seen"})
    assert answer.status_code == 403
    offered.refresh_from_db()
    assert offered.approved_at is None


def test_another_key_than_the_pinned_one_is_approved_only_on_purpose(squid: Game) -> None:
    client = browser(person("ada", game=squid, role=Role.ADMINISTRATOR))
    host = squid.hosts.get(name="eu-1")
    HostKey.objects.create(host=host, key="ssh-ed25519 BBBB", fingerprint="SHA256:other")
    form = {"fingerprint": "SHA256:other"}
    refused = client.post("/hosts/eu-1/approve-key", form, follow=True)
    assert "has another pinned key of this type" in text(refused)
    client.post("/hosts/eu-1/approve-key", form | {"replace": "on"})
    assert list(host.keys.values_list("fingerprint", flat=True)) == ["SHA256:other"]


def test_testing_a_host_asks_a_worker_to_look(
    bells: list[tuple[str, int]],
    squid: Game,
    operator: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    host, client = squid.hosts.get(name="eu-1"), browser(operator)
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post("/hosts/eu-1/test", follow=True)
    assert "Connection waits for a worker" in text(page)
    assert bells == [("look_at_host", host.pk)]


def test_a_host_says_what_the_last_look_found(squid: Game, viewer: User) -> None:
    host, at = squid.hosts.get(name="eu-1"), timezone.now()
    items = [
        {"part": "reachable", "result": "ok", "says": "SSH answers"},
        {"part": "key", "result": "problem", "says": "none is approved yet"},
        {"part": "login", "result": "skipped", "says": ""},
    ]
    HostCheck.objects.create(host=host, asked_at=at, ended_at=at, items=items)
    told = text(browser(viewer).get("/hosts/eu-1/"))
    assert "Reachable SSH answers Host key none is approved yet Log-in not tried" in told
    assert "none is approved yet" in text(browser(viewer).get("/hosts/"))


def test_a_viewer_may_not_have_a_host_tested(squid: Game, viewer: User) -> None:
    assert browser(viewer).post("/hosts/eu-1/test").status_code == 403


def test_the_plan_of_a_job_shows_every_step_with_its_script() -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    job = scenes.midway(scenes.game("paper", hosts=5))
    page = boss.get(f"/jobs/{job.pk}/").content.decode()
    assert page.count('<details class="plan">') == len(scenes.STEPS)
    assert "<samp>test -d &quot;$root&quot;</samp>" in page
