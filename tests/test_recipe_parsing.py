import json
import re
from typing import Any

import pytest

from deploy_tasks import recipes
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.recipes import Recipe, Step

HEAD = "recipe: r\nsteps:\n"


def parse(text: str) -> Recipe:
    return recipes.parse(text, file="r.yml")


def step(keys: str) -> Step:
    return parse(f"{HEAD}- {{name: s, {keys}}}\n").steps[0]


def findings(text: str) -> list[InvalidInput]:
    with pytest.raises(InvalidInputs) as refused:
        parse(text)
    return refused.value.findings


def finding(text: str) -> InvalidInput:
    (only,) = findings(text)
    return only


def test_every_key_of_the_format_is_read() -> None:
    recipe = parse("""\
recipe: whole
summary: All there is
vars:
  root: {type: path, required: true, help: where it lives}
  mode: {type: choice, choices: [fast, slow], default: slow, ask: true}
current: cat version
on_failure: undo
lock: root
steps:
  - name: a
    run: echo a
    done_if: test -e a
    timeout: 2m
    retries: {times: 3, delay: 1.5s}
    repeat: safe
    interrupt: after
    disruptive: true
    optional: true
    undo: echo no a
  - name: b
    upload: artifact
    repeat: never
  - name: c
    wait: {run: echo c, every: 500ms, stable_for: 3s, at_most: 1m}
    always: true
""")
    assert (recipe.name, recipe.summary, recipe.current) == ("whole", "All there is", "cat version")
    assert (recipe.on_failure, recipe.lock) == ("undo", "root")
    assert (recipe.vars["root"].type, recipe.vars["root"].required) == ("path", True)
    assert recipe.vars["mode"].choices == ["fast", "slow"]
    a, b, c = recipe.steps
    assert (a.run, a.done_if, a.undo, a.timeout) == ("echo a", "test -e a", "echo no a", 120)
    assert a.retries == recipes.Retries(times=3, delay="1.5s")
    assert (a.repeat, a.interrupt, a.disruptive, a.optional) == ("safe", "after", True, True)
    assert (b.upload, b.repeat) == ("artifact", "never")
    assert c.wait is not None
    assert (c.wait.every, c.wait.stable_for, c.wait.at_most, c.always) == (0.5, 3, 60, True)


def test_what_is_left_out_has_the_documented_default() -> None:
    recipe = parse(f"{HEAD}- {{name: s, run: x}}\n")
    assert (recipe.summary, recipe.vars, recipe.current) == ("", {}, None)
    assert (recipe.on_failure, recipe.lock) == ("stop", None)
    s = recipe.steps[0]
    assert (s.timeout, s.retries, s.repeat, s.interrupt) == (600, None, "ask", "now")
    assert (s.disruptive, s.optional, s.always, s.undo, s.done_if) == (False,) * 3 + (None,) * 2


def test_a_wait_ends_by_its_own_time_before_the_watchdog() -> None:
    waiting = step("wait: {run: x, at_most: 30m}")
    assert waiting.wait is not None
    assert waiting.timeout > waiting.wait.at_most == 1800


def test_a_probe_is_cut_after_ten_seconds_or_after_its_interval() -> None:
    short, long = step("wait: {run: x, every: 2s}").wait, step("wait: {run: x, every: 20s}").wait
    assert (short and short.probe_limit, long and long.probe_limit) == (10, 20)


@pytest.mark.parametrize(
    "keys", ["undo: x", "run: x, upload: artifact", "upload: artifact, wait: {run: x}"]
)
def test_a_step_has_exactly_one_of_run_upload_and_wait(keys: str) -> None:
    refused = finding(f"{HEAD}- {{name: s, {keys}}}\n")
    assert "exactly one of run, upload and wait" in refused.message
    assert (refused.line, refused.field) == (3, "steps[0]")


@pytest.mark.parametrize(
    ("keys", "field", "words"),
    [
        ("run: x, repeat: never, retries: {times: 1}", "steps[0]", "leave one of them out"),
        ("run: x, retries: {delay: 1s}", "steps[0].retries.times", "is required"),
        ("run: x, retries: {times: 0}", "steps[0].retries.times", "at least 1"),
        ("run: x, timeout: 10", "steps[0].timeout", "needs a unit: 10s"),
        ("run: x, timeout: 0s", "steps[0].timeout", "longer than nothing"),
        ("run: x, timeout: soon", "steps[0].timeout", "500ms, 10s, 2m"),
        ("run: x, repeat: sometimes", "steps[0].repeat", "'safe', 'ask' or 'never'"),
        ("run: x, interrupt: never", "steps[0].interrupt", "'now' or 'after'"),
        ("run: x, optional: maybe", "steps[0].optional", "true or false"),
        ("run: x, unless: y", "steps[0].unless", "unknown key"),
        ("run: x, undu: y", "steps[0].undu", "did you mean “undo”"),
        ("run: ' '", "steps[0].run", "is empty"),
        ('run: "a\\0b"', "steps[0].run", "NUL"),
        ("run: 17", "steps[0].run", 'write it in quotes: "17"'),
        ("upload: world", "steps[0].upload", "'artifact'"),
        ("wait: ./status", "steps[0].wait", "must be a mapping"),
        ("wait: {every: 2s}", "steps[0].wait.run", "is required"),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_is_refused(keys: str, field: str, words: str) -> None:
    refused = finding(f"{HEAD}- {{name: s, {keys}}}\n")
    assert (refused.file, refused.line, refused.field) == ("r.yml", 3, field)
    assert words in refused.message


@pytest.mark.parametrize("name", ["-rf", "a b", "a/b", "''", "x" * 65])
def test_a_step_has_a_name_as_all_things_have(name: str) -> None:
    assert "A name has" in finding(f"{HEAD}- {{name: {name}, run: x}}\n").message


def test_two_steps_of_one_name_are_refused_at_the_second() -> None:
    refused = finding(
        f"{HEAD}- {{name: s, run: x}}\n- {{name: t, run: x}}\n- {{name: s, run: y}}\n"
    )
    assert (refused.line, refused.field) == (5, "steps[2].name")


@pytest.mark.parametrize("text", ["recipe: r\n", "recipe: r\nsteps: []\n"])
def test_a_recipe_has_a_step(text: str) -> None:
    assert finding(text).field == "steps"


def test_a_recipe_is_a_mapping() -> None:
    assert finding("- a\n").message == "must be a mapping of keys to values"


def test_the_key_of_the_name_is_recipe() -> None:
    assert [found.field for found in findings(f"name: r\n{HEAD[10:]}- {{name: s, run: x}}\n")] == [
        "recipe",
        "name",
    ]


def test_a_lock_names_a_var() -> None:
    refused = finding(f"lock: root\n{HEAD}- {{name: s, run: x}}\n")
    assert (refused.line, refused.field) == (1, "lock")
    assert "no var “root”" in refused.message


@pytest.mark.parametrize("name", ["version", "previous", "artifact", "sha256", "host", "job"])
def test_what_every_script_is_given_can_be_no_var(name: str) -> None:
    text = f"vars:\n  {name}: {{type: string}}\n{HEAD}- {{name: s, run: x}}\n"
    assert finding(text).field == f"vars.{name}"
    assert f"${name} already" in finding(text).message


@pytest.mark.parametrize("name", ["Root", "a-b", "1st", "_x", "a.b", "ä"])
def test_a_var_is_named_like_a_shell_variable(name: str) -> None:
    text = f"vars:\n  {name}: {{type: string}}\n{HEAD}- {{name: s, run: x}}\n"
    assert "becomes a shell variable" in finding(text).message


@pytest.mark.parametrize(
    ("var", "field", "words"),
    [
        ("{}", "vars.v.type", "is required"),
        ("{type: text}", "vars.v.type", "'string'"),
        ("{type: choice}", "vars.v.choices", "choices: [a, b]"),
        ("{type: choice, choices: []}", "vars.v.choices", "choices: [a, b]"),
        ("{type: string, choices: [a]}", "vars.v.choices", "choices: [a, b]"),
        ("{type: choice, choices: [a], default: b}", "vars.v.default", "must be one of: a"),
        ("{type: port, default: 0}", "vars.v.default", "1 to 65535"),
        ("{type: path, default: srv}", "vars.v.default", "absolute"),
        ("{type: version, default: 1.10}", "vars.v.default", 'write it in quotes: "1.10"'),
        ("{type: int, default: 1, required: true}", "vars.v.default", "no use for a default"),
        ("{type: int, min: 1}", "vars.v.min", "unknown key"),
    ],
)  # fmt: skip
def test_a_var_that_cannot_be_is_refused(var: str, field: str, words: str) -> None:
    refused = finding(f"vars:\n  v: {var}\n{HEAD}- {{name: s, run: x}}\n")
    assert (refused.line, refused.field) == (2, field)
    assert words in refused.message


def test_everything_wrong_with_a_recipe_is_told_at_once() -> None:
    text = f"{HEAD}- {{name: s, run: x, timeout: 1}}\n- {{name: -t, run: y}}\nlok: root\n"
    assert [found.line for found in findings(text)] == [3, 4, 5]


def test_the_schema_for_editors_is_made_of_the_same_models() -> None:
    schema = recipes.json_schema()
    assert set(schema["properties"]) == {
        *("recipe", "summary", "vars", "current", "query", "sudo"),
        *("on_failure", "lock", "steps"),
    }
    step: dict[str, Any] = schema["$defs"]["Step"]
    assert step["oneOf"] == [{"required": [key]} for key in ("run", "upload", "wait")]
    assert re.fullmatch(step["properties"]["timeout"]["pattern"], "1.5h")
    json.dumps(schema)
