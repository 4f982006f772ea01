"""A text in what hosts printed."""

import pytest

from deploy_tasks import searching
from deploy_tasks.searching import Hit, Look, Place
from tests.stories import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return Story(hosts=["eu-1", "eu-2", "eu-3"])


def every_hit(story: Story, text: str, **how: object) -> list[Hit]:
    """Look after look, to the end."""
    hits: list[Hit] = []
    after: Place | None = Place()
    while after is not None:
        look = searching.search(story.job, text, after=after, **how)  # type: ignore[arg-type]
        hits += look.hits
        after = look.after and Place.parse(str(look.after))
    return hits


def places(hits: list[Hit]) -> list[tuple[str, int, str]]:
    return [(hit.host, hit.line, hit.text) for hit in hits]


def test_a_text_is_found_on_every_host_whatever_its_case(story: Story) -> None:
    story.output("eu-1", b"one\nNo Space left\n")
    story.output("eu-2", b"fine\n")
    story.output("eu-3", b"no sp", b"ace left\nmore\nno space")
    assert places(every_hit(story, "no space")) == [
        ("eu-1", 2, "No Space left"),
        ("eu-3", 1, "no space left"),
        ("eu-3", 3, "no space"),
    ]
    assert places(every_hit(story, "no space", host="eu-1")) == [("eu-1", 2, "No Space left")]
    assert every_hit(story, "(no|space)") == []


def test_colours_do_not_hide_a_text(story: Story) -> None:
    story.output("eu-1", b"\x1b[31mFailed to \x1b[1mbind\x1b[0m\n")
    assert places(every_hit(story, "failed to bind")) == [("eu-1", 1, "Failed to bind")]


@pytest.mark.parametrize("together", [1, 1024 * 1024])
def test_a_look_is_bounded_and_the_next_goes_on_without_a_hole(
    story: Story, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(searching, "BYTES", 1000)
    monkeypatch.setattr(searching, "TOGETHER", together)
    monkeypatch.setattr(searching, "ATTEMPTS", 2)
    for host in ("eu-1", "eu-2", "eu-3"):
        whole = "".join(f"line {n} of {host}\n" for n in range(1, 301)).encode()
        story.output(host, *(whole[at : at + 77] for at in range(0, len(whole), 77)))
    hits = every_hit(story, "line ", limit=50)
    assert places(hits) == [
        (host, n, f"line {n} of {host}") for host in ("eu-1", "eu-2", "eu-3") for n in range(1, 301)
    ]


def test_it_says_how_far_it_got(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BYTES", 10)
    story.output("eu-1", b"a line of 20 bytes.\n")
    story.output("eu-2", b"a line of 20 bytes.\n")
    first = searching.search(story.job, "nothing")
    assert (first.searched, first.of) == (20, 40)
    assert first.after is not None
    second = searching.search(story.job, "nothing", after=first.after)
    assert (second.searched, second.of) == (40, 40)


def test_nothing_printed_is_soon_looked_through(story: Story) -> None:
    assert searching.search(story.job, "x") == Look([], None, 0, 0)


def test_a_line_without_end_is_looked_through_in_parts(story: Story) -> None:
    story.output("eu-1", *[b"x" * 8000] * 20, b"needle", *[b"y" * 8000] * 20)
    (hit,) = every_hit(story, "xneedley")
    assert (hit.line, "xneedley" in hit.text, len(hit.text)) == (1, True, searching.SHOWN)
