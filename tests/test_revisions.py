import pytest

from deploy_tasks import recipes, revisions
from deploy_tasks.errors import InvalidInputs
from deploy_tasks.models import RecipeRevision

pytestmark = pytest.mark.django_db

FIRST = "recipe: r\nsteps: [{name: s, run: one}]\n"
SECOND = "recipe: r\nsteps: [{name: s, run: two}]\n"


def test_a_text_is_kept_as_the_first_revision() -> None:
    revision = revisions.store(FIRST, file="r.yml")
    assert (revision.recipe.name, revision.number, revision.text) == ("r", 1, FIRST)
    assert recipes.parse(revision.text, file="r").steps[0].run == "one"


def test_the_same_text_again_makes_no_revision() -> None:
    assert revisions.store(FIRST, file="r.yml") == revisions.store(FIRST, file="r.yml")


def test_another_text_is_a_revision_of_its_own() -> None:
    first, second = revisions.store(FIRST, file="r.yml"), revisions.store(SECOND, file="r.yml")
    assert (second.recipe, second.number) == (first.recipe, 2)
    assert RecipeRevision.objects.get(pk=first.pk).text == FIRST


def test_an_old_text_that_comes_back_is_the_newest_again() -> None:
    for text in (FIRST, SECOND, FIRST):
        revision = revisions.store(text, file="r.yml")
    assert (revision.number, revision.recipe.newest().text) == (3, FIRST)


def test_a_text_that_is_no_recipe_is_not_kept() -> None:
    with pytest.raises(InvalidInputs, match=r"r\.yml:1"):
        revisions.store("recipe: r\n", file="r.yml")
    assert not RecipeRevision.objects.exists()


def test_the_shipped_recipes_are_named_as_their_files() -> None:
    for name, path in revisions.shipped().items():
        assert recipes.parse(path.read_text(), file=path.name).name == name
    assert {"symlink-release", "custom-script"} <= revisions.shipped().keys()
