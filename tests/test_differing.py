"""What a host printed that no host printed which is well, and the other way round."""

import time

from deploy_tasks import differing
from deploy_tasks.differing import Line


def lines(output: str, name: str = "eu-1") -> list[Line]:
    return differing.lines(output, names=(name, "192.0.2.1")) or []


def told(host: str, *well: str) -> tuple[list[str], list[str]]:
    """Printed by it alone, and by all others but it."""
    others = [lines(output, f"us-{n}") for n, output in enumerate(well)]
    found = differing.differs(lines(host), others)
    return [line.text for line in found.printed.values()], list(found.lacks.values())


LINKED = "'/srv/game/current' -> 'releases/7'\nlinked\n"


def test_a_link_made_inside_a_directory_is_told_beside_that_of_hosts_that_are_well() -> None:
    inside = "'/srv/game/current/7' -> 'releases/7'\nlinked\n"
    assert told(inside, LINKED, LINKED) == ([inside.split("\n")[0]], [LINKED.split("\n")[0]])
    assert told("linked\n", LINKED, LINKED) == ([], ["'/srv/game/current' -> 'releases/7'"])
    assert told("", LINKED, LINKED) == ([], LINKED.splitlines())
    assert told("current is a directory\n", "", "") == (["current is a directory"], [])


def test_what_differs_from_host_to_host_anyway_is_no_difference() -> None:
    usual = "{name} unpacked 30{n} files in {n}.2 s to /srv/{name}/releases at 192.0.2.{n}\n"
    well = [usual.format(name=f"us-{n}", n=n) for n in range(3)]
    assert told(usual.format(name="eu-1", n=9), *well) == ([], [])
    assert told("b\na\n", "a\nb\n", "a\nb\n") == ([], [])
    took = "done in 2 s, 14 MiB, 03:10:12\n"
    assert told("done in 3 s, 15 MiB, 03:10:14\n", took, took, took) == ([], [])


def test_a_line_that_those_that_are_well_print_alike_to_the_letter_is_told_to_the_letter() -> None:
    well = "java is openjdk 21.0.2\n"
    other = "java is openjdk 17.0.9\n"
    assert told(other, well, well, well) == ([other.strip()], [well.strip()])
    assert told(other, well, well) == ([], [])  # two may agree by accident
    assert told(other, well, well, "java is openjdk 21.0.3\n") == ([], [])


def test_where_those_that_are_well_do_not_agree_nothing_is_told() -> None:
    words = ("aye", "bee", "sea", "dee")
    well = [f"begin\n{word} {word}\nend\n" for word in words[:3]]
    assert told("begin\ndee dee\nend\n", *well) == ([], [])
    # They do at another place.
    assert told("begin\ndee dee\nend\nheld by lockd\n", *well) == (["held by lockd"], [])
    assert told("begin\n", *well) == ([], ["end"])
    assert told("dee dee\n", *words[:3]) == ([], [])


def test_one_host_that_is_well_says_nothing_of_what_is_usual() -> None:
    assert told("a\n", LINKED) == ([], [])
    assert told("a\n") == ([], [])


def test_a_difference_is_told_once_and_by_its_number() -> None:
    found = differing.differs(lines("ok\nodd 1\nodd 2\n"), [lines("ok\n"), lines("ok\n")])
    (line,) = found.printed.values()
    assert (line.number, line.text) == (2, "odd 1")
    texts = told("", "up at us-0\n", "up at us-1\n")
    assert texts == ([], ["up at …"])


def test_outputs_that_are_too_long_are_not_compared() -> None:
    assert differing.lines("a\n" * differing.LINES, names=()) is None


def test_hostile_lines_take_no_longer_than_others() -> None:
    hostile = (
        "a-" * 500,
        "[" * 1000,
        "/a" * 500,
        "1:" * 500,
        "0x" * 500,
        "\x1b[" * 500,
        "9" * 1000,
    )
    begun = time.process_time()
    for line in hostile:
        told("\n".join([line] * 16), *["\n".join([line + "!"] * 16)] * 3)
    assert time.process_time() - begun < 1
