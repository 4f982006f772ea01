from itertools import product

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied

from deploy_tasks.models import Game
from tests import factories
from webapp import access
from webapp.access import Right
from webapp.models import Grant, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def paper() -> Game:
    return factories.game("paper")


RIGHTS_OF = {
    None: set(),
    Role.VIEWER: {Right.SEE},
    Role.OPERATOR: {Right.SEE, Right.OPERATE},
    Role.MAINTAINER: {Right.SEE, Right.OPERATE, Right.MAINTAIN},
    Role.ADMINISTRATOR: {*Right},
}


@pytest.mark.parametrize(("role", "right"), [*product(RIGHTS_OF, Right)])
def test_a_role_in_a_game_gives_its_rights_there_and_none_elsewhere(
    mira: User, squid: Game, paper: Game, role: Role | None, right: Right
) -> None:
    if role:
        Grant.objects.create(user=mira, game=squid, role=role)
    assert access.may(mira, right, squid) == (right in RIGHTS_OF[role])
    assert not access.may(mira, right, paper)
    assert not access.may(mira, right, None)


@pytest.mark.parametrize(("role", "right"), [*product(RIGHTS_OF, Right)])
def test_a_role_in_all_games_gives_its_rights_everywhere(
    mira: User, squid: Game, role: Role | None, right: Right
) -> None:
    if role:
        Grant.objects.create(user=mira, role=role)
    assert access.may(mira, right, squid) == (right in RIGHTS_OF[role])
    assert access.may(mira, right, None) == (right in RIGHTS_OF[role])


def test_the_greater_of_two_roles_counts(mira: User, squid: Game) -> None:
    Grant.objects.create(user=mira, role=Role.OPERATOR)
    Grant.objects.create(user=mira, game=squid, role=Role.VIEWER)
    assert access.may(mira, Right.OPERATE, squid)


def test_another_persons_role_is_not_mine(mira: User, squid: Game) -> None:
    Grant.objects.create(user=factories.user("jonas"), role=Role.ADMINISTRATOR)
    assert not access.may(mira, Right.SEE, squid)
    assert not access.may(mira, Right.SEE, None)


@pytest.mark.parametrize("right", [*Right])
def test_a_superuser_may_everything(squid: Game, right: Right) -> None:
    root = factories.user("root", is_superuser=True)
    assert access.may(root, right, squid)
    assert access.may(root, right, None)


def test_who_is_not_active_sees_nothing(mira: User, squid: Game) -> None:
    Grant.objects.create(user=mira, role=Role.ADMINISTRATOR)
    mira.is_active, mira.is_superuser = False, True
    assert not access.may(mira, Right.SEE, squid)
    assert not access.may(mira, Right.SEE, None)
    assert not access.visible_games(mira).exists()


def test_who_is_not_logged_in_sees_nothing(squid: Game) -> None:
    factories.job(squid, hosts=1)
    nobody = AnonymousUser()
    assert not access.may(nobody, Right.SEE, squid)
    assert not access.may(nobody, Right.SEE, None)
    assert not access.visible_jobs(nobody).exists()
    assert not access.visible_hosts(nobody).exists()


def test_only_what_is_of_my_games_is_visible(mira: User, squid: Game, paper: Game) -> None:
    Grant.objects.create(user=mira, game=squid, role=Role.VIEWER)
    mine, _theirs = factories.job(squid, hosts=1), factories.job(paper, hosts=1)
    assert list(access.visible_games(mira)) == [squid]
    assert list(access.visible_jobs(mira)) == [mine]
    assert [host.game for host in access.visible_hosts(mira)] == [squid]
    assert [release.game for release in access.visible_releases(mira)] == [squid]


def test_require_refuses_what_the_role_does_not_allow(mira: User, squid: Game) -> None:
    Grant.objects.create(user=mira, game=squid, role=Role.VIEWER)
    access.require(mira, Right.SEE, squid)
    with pytest.raises(PermissionDenied):
        access.require(mira, Right.OPERATE, squid)


def test_the_viewers_of_a_job_are_those_to_whom_it_is_visible(squid: Game, paper: Game) -> None:
    factories.user("nobody")
    factories.user("root", is_superuser=True)
    factories.user("gone", is_superuser=True, is_active=False)
    for name, game in {"here": squid, "there": paper, "everywhere": None}.items():
        Grant.objects.create(user=factories.user(name), game=game, role=Role.VIEWER)
    job = factories.job(squid)
    told = {user for user in User.objects.all() if job in access.visible_jobs(user)}
    assert {user.username for user in told} == {"here", "everywhere", "root"}
    assert set(access.viewers(job.pk)) == told
