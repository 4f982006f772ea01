"""S11, S12: every way in, tried by every role, on a thing of their own game and of another one.

What a page or call takes is what it declares (`access.takes`); the tests of `test_declared` see to
it that all of them do, and the ones here that they keep to it.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from deploy_tasks import bells, calls, vault
from deploy_tasks.models import (
    AuditEntry,
    Credential,
    Game,
    Host,
    HostKey,
    Job,
    KeyRule,
    Machine,
    Pager,
    Recipe,
    Release,
)
from tests import factories
from tests.api import Caller, error
from tests.security.test_declared import pages
from tests.ssh_keys import host_key
from tests.stories import person
from webapp import access, admin
from webapp.access import GIVEN_BY, Open, Right
from webapp.models import ApiToken, Grant, Role

pytestmark = pytest.mark.django_db

ROLES = [None, *Role]


@pytest.fixture(autouse=True)
def quiet(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HOME, settings.PRIVATE_KEYS = tmp_path, tmp_path / "keys" / "seal"
    settings.ARTIFACTS = tmp_path / "artifacts"
    monkeypatch.setattr(bells, "ring_looks", lambda host_ids: None)
    monkeypatch.setattr(calls, "test", lambda pager: None)
    vault.ensure_keys()


@dataclass
class World:
    """A game with one thing of each kind; none of them is another game's too."""

    name: str
    game: Game = field(init=False)

    def __post_init__(self) -> None:
        self.game = factories.game(self.name)
        self.release = factories.release(self.game, f"{self.name}-9.9")
        self.credential = Credential.objects.create(
            name=f"{self.name}-key", kind="ssh_key", sealed=b"", key_id="k", digest=self.name
        )
        self.credential.games.add(self.game)
        self.host = factories.host(self.game, f"{self.name}-1", credential=self.credential)
        self.job = factories.job(self.game)
        HostKey.objects.create(host=self.host, key="ssh-ed25519 BBBB", fingerprint="SHA256:new")
        Pager.objects.create(
            name=f"{self.name}-desk", game=self.game, moments=[], sealed=b"", key_id="k"
        )
        self.key_rule = KeyRule.objects.create(
            game=self.game, kind="authority", names="*", key=host_key(1)
        )
        self.grant = Grant.objects.create(
            user=factories.user(f"{self.name}-boss"), game=self.game, role=Role.ADMINISTRATOR
        )
        # factories.host has lent the usual one, which would be shared.
        Credential.objects.filter(name="fleet").delete()

    def row(self, model: type[Any]) -> Any:
        """The one of a kind that belongs to this game and to no other."""
        rows: dict[type[Any], Any] = {
            Host: self.host,
            Game: self.game,
            Release: self.release,
            Recipe: self.game.recipe,
            Credential: self.credential,
            KeyRule: self.key_rule,
            Grant: self.grant,
        }
        return rows.get(model)


@pytest.fixture
def mine() -> World:
    return World("squid")


@pytest.fixture
def theirs() -> World:
    return World("paper")


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def holds(role: Role | None, right: Right | Open) -> bool:
    return right is Open.LOGGED_IN or (role is not None and GIVEN_BY[role] >= right)


# ---- pages

#: What a page about one thing is asked with; a page that is not here is about no single thing.
ABOUT: dict[str, Any] = {
    "job": lambda world: (f"/jobs/{world.job.pk}/", None),
    "job-steps": lambda world: (f"/jobs/{world.job.pk}/steps", None),
    "job-new": lambda world: (f"/jobs/new?game={world.game}", None),
    "job-plan": lambda world: ("/jobs/new/plan", {"game": world.game.name, "key": "k"}),
    "job-hosts": lambda world: (f"/jobs/new/hosts?game={world.game}", None),
    "job-check": lambda world: ("/jobs/new/check", {"game": world.game.name, "key": "k"}),
    "pager-test": lambda world: (f"/calls/{world.name}-desk/test", {}),
    "pager-remove": lambda world: (f"/calls/{world.name}-desk/remove", {}),
    "host": lambda world: (f"/hosts/{world.host}/", None),
    "host-test": lambda world: (f"/hosts/{world.host}/test", {}),
    "host-approve-key": lambda world: (
        f"/hosts/{world.host}/approve-key",
        {"fingerprint": "SHA256:new", "replace": "on"},
    ),
}
#: Of no single thing, and what else they take is tested with them.
OF_ALL_GAMES = {"audit", "audit-export"}
OF_NOTHING = {"dashboard", "jobs", "hosts", "games", "calls"}


def named_pages() -> dict[str, Right | Open]:
    found = {}
    for route, view in pages():
        (name,) = [
            pattern.name for pattern in _patterns() if pattern.callback is view
        ] or pytest.fail(route)
        found[name] = view.takes
    return found


def _patterns() -> list[Any]:
    from webapp.urls import urlpatterns

    return [pattern for pattern in urlpatterns if hasattr(pattern, "callback")]


GUARDED_PAGES = {name: right for name, right in named_pages().items() if isinstance(right, Right)}


def test_every_page_of_a_thing_is_tried_here() -> None:
    assert set(GUARDED_PAGES) == set(ABOUT) | OF_NOTHING | OF_ALL_GAMES


def ask(client: Client, page: str, world: World) -> int:
    path, form = ABOUT[page](world)
    answer = client.get(path) if form is None else client.post(path, form)
    return answer.status_code


@pytest.mark.parametrize(("page", "role"), [*product(ABOUT, ROLES)])
def test_s11_a_page_opens_for_the_roles_that_it_takes_and_for_no_other(
    page: str, role: Role | None, mine: World
) -> None:
    client = browser(person("anna", role=role, game=mine.game))
    expected = {200, 302, 422} if holds(role, GUARDED_PAGES[page]) else {403, 404}
    assert ask(client, page, mine) in expected
    if role is None:
        assert ask(client, page, mine) == 404
    changed = HostKey.objects.filter(fingerprint="SHA256:new", approved_at__isnull=False).exists()
    assert changed == (page == "host-approve-key" and holds(role, Right.MAINTAIN))


@pytest.mark.parametrize("page", ABOUT)
def test_s12_a_page_of_another_game_is_not_there_for_whoever_administers_ones_own(
    page: str, mine: World, theirs: World
) -> None:
    client = browser(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    assert ask(client, page, theirs) == 404
    assert not HostKey.objects.filter(fingerprint="SHA256:new", approved_at__isnull=False).exists()


@pytest.mark.parametrize("page", sorted(OF_NOTHING))
def test_s12_a_list_names_nothing_of_another_game(page: str, mine: World, theirs: World) -> None:
    client = browser(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    answer = client.get(reverse(page))
    assert answer.status_code == 200
    assert b"paper" not in answer.content


@pytest.mark.parametrize("path", ["/audit/", "/audit/export.csv", "/audit/export.jsonl"])
def test_s11_what_names_all_games_takes_a_role_in_all_of_them(path: str, mine: World) -> None:
    boss = browser(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    assert boss.get(path).status_code == 403
    assert browser(person("vera", role=Role.VIEWER)).get(path).status_code == 200


# ---- the admin

SCREENS = [model for model in admin.site._registry if model is not ApiToken]


def screen(model: type[Any], what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


@pytest.mark.parametrize(("model", "role"), [*product(SCREENS, ROLES)])
def test_s11_a_screen_opens_for_the_roles_of_its_rule(
    model: type[Any], role: Role | None, mine: World, theirs: World
) -> None:
    client = browser(person("anna", role=role, game=mine.game))
    rule = access.RULES[model]
    opens = rule.among is not None and holds(role, rule.right)
    listed = client.get(screen(model, "changelist"), follow=True)
    assert listed.status_code == (200 if opens else 403)
    assert b"paper" not in listed.content
    may_add = opens and rule.adds is None
    added = client.get(screen(model, "add"), follow=True)
    assert added.status_code == (200 if may_add else 403)
    assert b"paper" not in added.content.replace(b"paper-boss", b"")
    if own := mine.row(model):
        status = client.get(screen(model, "change", own.pk), follow=True).status_code
        assert status == (200 if opens else 403)


@pytest.mark.parametrize("model", [model for model in SCREENS if access.RULES[model].among])
def test_s12_a_row_of_another_game_can_be_neither_seen_nor_changed_nor_removed(
    model: type[Any], mine: World, theirs: World
) -> None:
    client = browser(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    foreign = theirs.row(model)
    for what in ("change", "delete", "history"):
        for answer in (
            client.get(screen(model, what, foreign.pk)),
            client.post(screen(model, what, foreign.pk), {"post": "yes"}),
        ):
            assert answer.status_code in (302, 403, 404)
            # Where Django says that there is no such row.
            assert answer.get("Location", "/admin/") == "/admin/"
    given = {"action": "delete_selected", "_selected_action": [foreign.pk], "post": "yes"}
    client.post(screen(model, "changelist"), given)
    assert model.objects.filter(pk=foreign.pk).exists()
    assert not AuditEntry.objects.exists()


def test_an_administrator_of_all_games_has_every_screen_and_row(mine: World, theirs: World) -> None:
    client = browser(person("anna", role=Role.ADMINISTRATOR))
    for model in SCREENS:
        assert client.get(screen(model, "changelist")).status_code == 200
        assert client.get(screen(model, "add"), follow=True).status_code == 200
        for world in (mine, theirs):
            if row := world.row(model):
                assert client.get(screen(model, "change", row.pk)).status_code == 200


def test_a_maintainer_adds_a_recipe_and_gives_it_to_the_own_game_only(
    mine: World, theirs: World
) -> None:
    client = browser(person("anna", role=Role.MAINTAINER, game=mine.game))
    text = factories.RECIPE.replace("recipe: steps", "recipe: mine")
    assert client.post(screen(Recipe, "add"), {"text": text}).status_code == 302
    form = {"recipe_name": "mine", "vars": "{}"}
    assert client.post(screen(Game, "change", mine.game.pk), form).status_code == 302
    mine.game.refresh_from_db()
    assert mine.game.recipe.name == "mine"
    # Now that another game has it too, one of both maintainers alone no longer changes it.
    Game.objects.filter(pk=theirs.game.pk).update(recipe=mine.game.recipe)
    mine_recipe = mine.game.recipe
    assert client.get(screen(Recipe, "change", mine_recipe.pk)).status_code == 302
    answer = client.post(screen(Recipe, "change", mine_recipe.pk), {"text": text + "# x\n"})
    assert answer.status_code in (302, 403)
    assert mine_recipe.newest().number == 1


def test_s12_a_game_does_not_take_another_games_recipe(mine: World, theirs: World) -> None:
    anna = Caller(person("anna", role=Role.MAINTAINER, game=mine.game))
    given = {"name": "squid", "recipe": theirs.game.recipe.name}
    answer = anna.post("/games", given)
    assert (answer.status_code, error(answer)["field"]) == (422, "recipe")
    none_such = anna.post("/games", {"name": "squid", "recipe": "none-such"})
    said = error(answer)["message"].replace(theirs.game.recipe.name, "X")
    assert said == error(none_such)["message"].replace("none-such", "X")


def test_a_game_administrator_gives_roles_in_that_game_alone(mine: World, theirs: World) -> None:
    client = browser(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    vera = factories.user("vera")
    form = {"user": vera.pk, "group": "", "role": Role.VIEWER.value}
    for game in (theirs.game.pk, ""):
        assert client.post(screen(Grant, "add"), form | {"game": game}).status_code == 200
    assert not vera.grants.exists()
    assert client.post(screen(Grant, "add"), form | {"game": mine.game.pk}).status_code == 302
    assert access.may(vera, Right.SEE, mine.game)
    assert not access.may(vera, Right.SEE, theirs.game)
    assert AuditEntry.objects.get().action == "add_grant"


def test_a_role_of_a_group_is_the_role_of_those_in_it(mine: World, theirs: World) -> None:
    crew = Group.objects.create(name="crew")
    Grant.objects.create(group=crew, game=mine.game, role=Role.OPERATOR)
    anna, vera = factories.user("anna"), factories.user("vera")
    anna.groups.add(crew)
    assert access.may(anna, Right.OPERATE, mine.game)
    assert not access.may(anna, Right.OPERATE, theirs.game)
    assert not access.may(vera, Right.SEE, mine.game)
    assert list(access.visible_jobs(anna)) == [mine.job]
    assert anna in access.viewers(mine.job.pk)
    assert vera not in access.viewers(mine.job.pk)


# ---- credentials


def entry(world: World, **more: Any) -> dict[str, Any]:
    given = {"name": "new-1", "game": world.game.name, "address": "127.1.0.1", "user": "game"}
    return given | {"credential": world.credential.name} | more


def test_s12_a_host_cannot_name_another_games_credential(mine: World, theirs: World) -> None:
    anna = Caller(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    answer = anna.post("/hosts", entry(mine, credential="paper-key"))
    assert (answer.status_code, error(answer)["field"]) == (422, "credential")
    # In the same words as one that does not exist.
    missing = anna.post("/hosts", entry(mine, credential="none-key"))
    assert error(missing)["message"] == error(answer)["message"].replace("paper-key", "none-key")
    changed = anna.send("patch", f"/hosts/{mine.host}", {"credential": "paper-key"})
    assert changed.status_code == 422
    assert not Host.objects.filter(game=mine.game, credential=theirs.credential).exists()


def test_s12_a_host_cannot_go_through_a_host_whose_credential_is_another_games(
    mine: World, theirs: World
) -> None:
    anna = Caller(person("anna", role=Role.ADMINISTRATOR, game=mine.game))
    answer = anna.post("/hosts", entry(mine, via="paper-1"))
    assert (answer.status_code, error(answer)["field"]) == (422, "via")
    theirs.credential.games.add(mine.game)
    assert anna.post("/hosts", entry(mine, via="paper-1")).status_code == 201


SECRETIVE = """\
recipe: secretive
summary: One step with a secret
vars:
  rcon: {type: secret, ask: true, default: squid-rcon}
steps:
  - name: tell
    run: echo hello
"""


@pytest.fixture
def secretive(mine: World, theirs: World) -> World:
    for world in (mine, theirs):
        row = Credential.objects.create(
            name=f"{world.name}-rcon", kind="secret", sealed=b"", key_id="k", digest="x"
        )
        row.games.add(world.game)
    revision = mine.game.recipe.newest()
    revision.text = SECRETIVE
    revision.save()
    return mine


def test_s12_no_variable_of_host_game_or_order_names_another_games_secret(
    secretive: World, theirs: World
) -> None:
    anna = Caller(person("anna", role=Role.ADMINISTRATOR, game=secretive.game))
    host = anna.send("patch", f"/hosts/{secretive.host}", {"vars": {"rcon": "paper-rcon"}})
    assert (host.status_code, error(host)["field"]) == (422, "vars.rcon")
    game = {"name": "squid", "recipe": secretive.game.recipe.name, "vars": {"rcon": "paper-rcon"}}
    assert anna.post("/games", game).status_code == 422
    order = {"game": "squid", "version": "squid-9.9", "all": True}
    refused = anna.post("/jobs", order | {"vars": {"rcon": "paper-rcon"}})
    assert (refused.status_code, error(refused)["field"]) == (422, "vars.rcon")
    assert Job.objects.filter(game=secretive.game).count() == 1
    Job.objects.all().delete()
    assert anna.post("/jobs", order | {"vars": {"rcon": "squid-rcon"}}).status_code == 201


def test_a_host_whose_credential_was_taken_back_is_not_updated(secretive: World) -> None:
    anna = Caller(person("anna", role=Role.OPERATOR, game=secretive.game))
    secretive.credential.games.clear()
    answer = anna.post("/jobs", {"game": "squid", "version": "squid-9.9", "all": True})
    assert answer.status_code == 422
    assert "not for squid" in error(answer)["message"]


def test_whoever_may_change_a_credential_lends_it_by_naming_it(mine: World, theirs: World) -> None:
    anna = person("anna", role=Role.MAINTAINER, game=mine.game)
    Grant.objects.create(user=anna, game=theirs.game, role=Role.MAINTAINER)
    assert Caller(anna).post("/hosts", entry(mine, credential="paper-key")).status_code == 201
    assert set(theirs.credential.games.all()) == {mine.game, theirs.game}
    assert AuditEntry.objects.get().details["lent"] == ["paper-key: squid"]


def test_a_maintainer_makes_a_credential_for_the_own_game_only(mine: World, theirs: World) -> None:
    client = browser(person("anna", role=Role.MAINTAINER, game=mine.game))
    form = {"name": "fresh", "kind": "secret", "secret": "hunter-two"}
    for games in ([], [theirs.game.pk]):
        assert client.post(screen(Credential, "add"), form | {"games": games}).status_code == 200
    given = form | {"games": [mine.game.pk]}
    assert client.post(screen(Credential, "add"), given).status_code == 302
    assert list(Credential.objects.get(name="fresh").games.all()) == [mine.game]


def test_a_credential_is_not_taken_from_a_game_whose_hosts_are_reached_with_it(
    mine: World, theirs: World
) -> None:
    client = browser(person("anna", role=Role.MAINTAINER))
    answer = client.post(
        screen(Credential, "change", mine.credential.pk), {"games": [theirs.game.pk]}
    )
    assert b"Hosts of squid are reached with it." in answer.content
    assert list(mine.credential.games.all()) == [mine.game]


def test_a_box_is_chosen_by_those_who_have_hosts_on_it(mine: World, theirs: World) -> None:
    theirs.host.machine = Machine.objects.create(name="paper-box")
    theirs.host.save()
    anna = person("anna", role=Role.MAINTAINER, game=mine.game)
    assert not access.choices(anna, Machine).exists()


def test_nobody_puts_hosts_on_the_boxes_of_others(mine: World, theirs: World) -> None:
    """Limits of how many hosts of a box may be down hold for all games on it."""
    theirs.host.machine = Machine.objects.create(name="paper-box")
    theirs.host.save()
    anna = Caller(person("anna", role=Role.MAINTAINER, game=mine.game))

    def put(machine: str) -> Any:
        return anna.send("patch", f"/hosts/{mine.host.name}", {"machine": machine})

    answer = put("paper-box")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "machine")
    assert "carries hosts of other games" in answer.json()["error"]["message"]
    assert put("new-box").status_code == 200
    # A box that somebody of all games has shared out is theirs to use from then on.
    mine.host.refresh_from_db()
    mine.host.machine = theirs.host.machine
    mine.host.save()
    assert put("paper-box").status_code == 200
    assert put("new-box").status_code == 200  # nobody is on it by now
    boss = Caller(person("boss", role=Role.MAINTAINER))
    answer = boss.send("patch", f"/hosts/{mine.host.name}", {"machine": "paper-box"})
    assert answer.status_code == 200
