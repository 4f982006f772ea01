"""Two languages: every sentence is in the catalogue, translated, and shown to who wants it."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from tests import factories, scenes
from tests.views.pages import browser, text
from webapp.env import BASE
from webapp.retelling import retold

MESSAGES = Path("locale/zh_Hans/LC_MESSAGES")
DOMAINS = ("django", "djangojs")
PLACE = re.compile(r"%\(\w+\)[sdg]|%[sdg]")


@pytest.fixture
def chinese() -> Iterator[Client]:
    client = browser(factories.user("boss", is_superuser=True))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-CN,zh;q=0.9,en;q=0.8"
    yield client
    # A request leaves its language active in its thread, and here that is the tests'.
    translation.deactivate()


# ---- the catalogue


@pytest.mark.skipif(
    shutil.which("xgettext") is None, reason="xgettext is not installed (Debian package gettext)"
)
def test_the_catalogue_says_what_the_sources_say(tmp_path: Path) -> None:
    """Else: bin/in-venv --dev python manage.py catalogue, and translate what is new."""
    for part in ("webapp", "deploy_tasks", "demo", "templates", "locale"):
        shutil.copytree(BASE / part, tmp_path / part, symlinks=True)
    for file in ("manage.py", "celery_app.py"):
        shutil.copy(BASE / file, tmp_path)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    subprocess.run(
        [sys.executable, "manage.py", "catalogue"], cwd=tmp_path, env=environment, check=True
    )
    for domain in DOMAINS:
        po, mo = MESSAGES / f"{domain}.po", MESSAGES / f"{domain}.mo"
        assert (BASE / po).read_text() == (tmp_path / po).read_text()
        assert compiled(BASE / mo) == compiled(tmp_path / mo)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_message_is_translated_and_keeps_its_places(domain: str) -> None:
    _header, *entries = (BASE / MESSAGES / f"{domain}.po").read_text().split("\n\n")
    assert entries
    for entry in entries:
        lines = entry.strip().splitlines()
        flags = [line for line in lines if line.startswith("#,")]
        assert not any("fuzzy" in flag for flag in flags), f"a guess nobody has seen to: {entry}"
        told = dict(line.split(" ", 1) for line in lines if line.startswith("msg"))
        one, many = told["msgid"], told.get("msgid_plural", told["msgid"])
        translated = told.get("msgstr") or told["msgstr[0]"]
        assert translated != '""', f"not translated: {one}"
        places = sorted(PLACE.findall(translated))
        assert places in (sorted(PLACE.findall(one)), sorted(PLACE.findall(many))), entry


def compiled(path: Path) -> dict[object, str]:
    with path.open("rb") as file:
        return dict(gettext.GNUTranslations(file)._catalog)  # type: ignore[attr-defined]


# ---- the choice


@pytest.mark.django_db
def test_the_browser_chooses_and_the_user_overrules_it(chinese: Client) -> None:
    assert "总览" in text(chinese.get("/"))
    answer = chinese.post("/language", {"language": "en", "next": "/jobs/"})
    assert answer["Location"] == "/jobs/"
    assert "Dashboard" in text(chinese.get("/"))
    chinese.post("/language", {"language": "zh-hans"})
    assert "总览" in text(chinese.get("/"))


@pytest.mark.django_db
def test_refusals_of_the_api_are_in_the_language_of_who_asks(chinese: Client) -> None:
    answer = chinese.get("/api/v1/jobs/987654")
    assert answer.json()["error"]["message"] == "这里没有该内容，或者你无权查看。"


def test_the_terminal_speaks_the_language_of_its_environment() -> None:
    ask = "from webapp.words import LANGUAGE, _; print(LANGUAGE, _('Stopped.'))"
    for language, told in (("zh_CN.UTF-8", "zh-hans 已停止。\n"), ("C.UTF-8", " Stopped.\n")):
        environment = {**os.environ, "LC_ALL": language, "LANGUAGE": "", "PYTHONUTF8": "1"}
        said = subprocess.run(
            [sys.executable, "-c", ask], cwd=BASE, env=environment, capture_output=True, check=True
        )
        assert said.stdout.decode() == told


def test_a_setting_that_cannot_be_used_is_refused_in_that_language_too() -> None:
    environment = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "LANGUAGE": "", "PYTHONUTF8": "1"}
    environment["PATCHWAVE_PROGRAMS"] = "wroker"
    refused = subprocess.run(
        [sys.executable, "-c", "import webapp.env"],
        cwd=BASE,
        env=environment,
        capture_output=True,
        check=False,
    )
    told = refused.stderr.decode()
    assert told == "PATCHWAVE_PROGRAMS: 请从 web,worker,beat 中选择，用逗号分隔\n"


# ---- the pages

#: What pages show of the world, and names that are the same in every language.
NAMES = {
    *("Patchwave", "English", "squid", "boss", "mira", "fleet", "game", "region", "shard", "host"),
    *("space", "stage", "unpack", "stop", "switch", "health", "root", "motd", "name", "recipe"),
    *("paper", "symlink", "release", "Shell", "SHA", "exploit", "tonight", "ssh", "keygen", "pub"),
    *("first", "import", "inventory", "patchwave", "bin", "shown", "players", "who", "join", "yml"),
    *("label", "value", "JSON", "srv", "username", "the", "connection", "broke", "and", "does"),
    *("not", "answer", "etc", "key", "ed25519", "UTC", "Java", "Script", "PuTTY", "CSRF", "sha"),
    *("keys", "csrfmiddlewaretoken", "Available", "API", "algorithm", "iterations"),
    *("Home", "End", "Enter", "Esc", "known", "hosts", "keyscan"),
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/jobs/", "/jobs/{job}/", "/jobs/new", "/jobs/new?game=squid", "/hosts/"),
        *("/hosts/squid-first/", "/games/", "/audit/", "/admin/", "/admin/import/"),
        *("/admin/host-keys/", "/admin/deploy_tasks/keyrule/"),
        *("/admin/deploy_tasks/host/", "/admin/deploy_tasks/credential/add/", "/nothing"),
    ],
)
def test_no_page_falls_back_into_english(path: str, chinese: Client) -> None:
    job = scenes.midway(scenes.game("squid", hosts=12), done=0.9)
    answer = chinese.get(path.format(job=job.pk))
    # A host's own words are nobody's to translate.
    answer.content = re.sub(rb"<samp>.*?</samp>", b"", answer.content)
    said = text(answer)
    words = set(re.findall(r"[A-Za-z][a-z]{2,}", re.sub(r"&\w+;|\S+@\S+|\b\S+-\d+\b", " ", said)))
    assert {word for word in words if word not in NAMES and word.lower() not in NAMES} == set()


# ---- sentences that were stored


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("a canary host failed", "有灰度区服失败"),
        ("step “health” ended with exit status 1", "步骤“health”结束，退出码 1"),
        ("3 hosts failed, at most 2 may", "3 个区服失败，最多允许 2 个"),
        ("no SSH banner within 15 s", "15 秒内没有收到 SSH 标识"),
        (
            "jump host bastion: connection refused by 10.0.0.1",
            "跳板机 bastion：10.0.0.1 拒绝连接",
        ),
        ("eu-1: this secret is empty", "eu-1: 该机密为空"),
        (
            "tar: Cannot write: No space left on device",
            "tar: Cannot write: No space left on device",
        ),
        ("", ""),
    ],
)
def test_a_stored_sentence_is_told_again(stored: str, told: str) -> None:
    with translation.override("zh-hans"):
        assert retold(stored) == told
    with translation.override("en"):
        assert retold(stored) == stored


def test_the_most_telling_pattern_is_taken() -> None:
    with translation.override("zh-hans"):
        told = retold("step “stop”: step “stop” ended with exit status 7")
    assert told == "步骤“stop”：步骤“stop”结束，退出码 7"
