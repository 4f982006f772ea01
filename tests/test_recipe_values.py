from typing import Any

import pytest

from deploy_tasks import recipes
from deploy_tasks.errors import InvalidInput
from deploy_tasks.recipes import Recipe


def recipe(**vars: str) -> Recipe:
    lines = "".join(f"  {name}: {{{var}}}\n" for name, var in vars.items())
    text = f"recipe: r\nvars:\n{lines}steps: [{{name: s, run: x}}]\n"
    return recipes.parse(text, file="r.yml")


def value(var: str, given: Any) -> str:
    return recipes.resolve(recipe(v=var), game={}, host={"v": given}, job={}).plain["v"]


def refusal(var: str, given: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        value(var, given)
    assert refused.value.field == "vars.v"
    return refused.value.message


@pytest.mark.parametrize(
    ("type", "given", "text"),
    [
        ("string", "a 'b' $c\n", "a 'b' $c\n"),
        ("string", "", ""),
        ("int", 7, "7"),
        ("int", "-7", "-7"),
        ("bool", True, "true"),
        ("bool", False, "false"),
        ("bool", "true", "true"),
        ("path", "/srv/game", "/srv/game"),
        ("path", "//srv//./game/", "/srv/game"),
        ("path", "/srv/…/my game", "/srv/…/my game"),
        ("port", 25565, "25565"),
        ("port", "25565", "25565"),
        ("duration", "1.5h", "5400"),
        ("duration", "1ms", "0.001"),
        ("duration", "0s", "0"),
        ("name", "eu-1", "eu-1"),
        ("version", "1.20.4+fabric", "1.20.4+fabric"),
        ("sha256", "AB" * 32, "ab" * 32),
        ("choice, choices: [eu, us]", "us", "us"),
        ("list", ["a b", "c"], "a b\nc"),
        ("list", [], ""),
    ],
)
def test_a_value_becomes_what_the_shell_variable_holds(type: str, given: Any, text: str) -> None:
    assert value(f"type: {type}", given) == text


@pytest.mark.parametrize(
    ("type", "given", "words"),
    [
        ("string", ["a"], "must be text"),
        ("string", "a\0b", "NUL"),
        ("string", "a\ud83d", "half a character"),
        ("string", None, "has no value"),
        ("int", "seven", "whole number"),
        ("int", 1.5, "whole number"),
        ("int", True, "whole number"),
        ("int", "007", "whole number"),
        ("bool", "yes", "true or false"),
        ("bool", 1, "true or false"),
        ("path", "srv/game", "absolute"),
        ("path", "~/game", "absolute"),
        ("path", "", "absolute"),
        ("path", "/srv/../etc", "must not have .."),
        ("path", "/", "must not be / itself"),
        ("path", "/./", "must not be / itself"),
        ("path", "/srv\n/game", "character"),
        ("port", 0, "1 to 65535"),
        ("port", 99999, "1 to 65535"),
        ("port", "ssh", "whole number"),
        ("duration", 10, "needs a unit: 10s"),
        ("duration", "long", "500ms"),
        ("name", "-rf", "A name has"),
        ("version", "1.0; rm -rf /", "A name has"),
        ("version", "../1.0", "A name has"),
        ("sha256", "abc", "64 hexadecimal"),
        ("choice, choices: [eu, us]", "cn", "one of: eu, us"),
        ("secret", "no such name", "A name has"),
        ("list", "a", "must be a list"),
        ("list", ["a\nb"], "line break"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(type: str, given: Any, words: str) -> None:
    assert words in refusal(f"type: {type}", given)


@pytest.mark.parametrize(
    "type", ["string", "path", "name", "version", "sha256", "secret", "choice, choices: ['1.1']"]
)
def test_a_number_where_text_was_meant_is_to_be_quoted(type: str) -> None:
    assert 'write it in quotes: "1.1"' in refusal(f"type: {type}", 1.1)


def test_a_host_overrides_its_game_which_overrides_the_default() -> None:
    of = recipe(a="type: int, default: 1", b="type: int, default: 1", c="type: int, default: 1")
    values = recipes.resolve(of, game={"b": 2, "c": 2}, host={"c": 3}, job={})
    assert values.plain == {"a": "1", "b": "2", "c": "3"}


def test_a_job_overrides_all_but_only_what_the_recipe_asks_for() -> None:
    of = recipe(a="type: int, default: 1, ask: true", b="type: int, default: 1")
    assert recipes.resolve(of, game={}, host={"a": 2}, job={"a": 3}).plain["a"] == "3"
    with pytest.raises(InvalidInput, match="ask: true") as refused:
        recipes.resolve(of, game={}, host={}, job={"b": 3})
    assert refused.value.field == "vars.b"


def test_a_var_that_nobody_sets_is_empty_and_not_unset() -> None:
    assert recipes.resolve(recipe(a="type: path"), game={}, host={}, job={}).plain == {"a": ""}


def test_a_required_var_must_be_set_by_somebody() -> None:
    of = recipe(root="type: path, required: true")
    with pytest.raises(InvalidInput, match="the recipe r needs this var") as refused:
        recipes.resolve(of, game={}, host={}, job={})
    assert refused.value.field == "vars.root"
    assert recipes.resolve(of, game={"root": "/srv"}, host={}, job={}).plain == {"root": "/srv"}


@pytest.mark.parametrize("source", ["game", "host", "job"])
def test_a_var_that_the_recipe_does_not_have_is_refused(source: str) -> None:
    given: dict[str, dict[str, Any]] = {"game": {}, "host": {}, "job": {}}
    with pytest.raises(InvalidInput, match="its vars are: root") as refused:
        recipes.resolve(recipe(root="type: path"), **given | {source: {"rot": "/srv"}})
    assert refused.value.field == "vars.rot"


def test_a_secret_names_its_credential_and_is_no_plain_value() -> None:
    of = recipe(rcon="type: secret", other="type: secret")
    values = recipes.resolve(of, game={}, host={"rcon": "rcon-eu"}, job={})
    assert values == recipes.Values(plain={}, secrets={"rcon": "rcon-eu"})


def test_all_that_is_unfit_can_be_told_at_once() -> None:
    of = recipe(a="type: int", b="type: port")
    fields = [found.field for found in recipes.unfit(of, {"a": "x", "b": 0, "c": 1})]
    assert fields == ["vars.a", "vars.b", "vars.c"]
