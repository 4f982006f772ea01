"""docs/ROLLOUTS.md names every term, and what it says in the words of others is a rollout here."""

import re

import pytest
import yaml

from deploy_tasks.rollout import Placed, Rollout, batches
from webapp.cli.arguments import parser
from webapp.env import BASE

TEXT = (BASE / "docs" / "ROLLOUTS.md").read_text()
#: Labels that the table speaks of.
HOSTS = [
    Placed(f"h{n:02}", {"zone": f"z{n % 2}", "tier": "test" if n < 4 else "live", "app": "squid"})
    for n in range(20)
]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    under = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in under.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]


SAID = rows("As others say it")


def test_every_term_has_a_row() -> None:
    assert {row[0].strip("`") for row in rows("Keys")} == set(Rollout.model_fields)


def test_all_of_them_are_compared() -> None:
    told = " ".join(row[0] for row in SAID)
    for name in ("Argo Rollouts", "AWS CodeDeploy", "SSM", "bk-job", "Ansible"):
        assert f"**{name}**" in told


@pytest.mark.parametrize(("theirs", "ours", "cut"), SAID, ids=[row[0] for row in SAID])
def test_what_others_say_can_be_said_here(theirs: str, ours: str, cut: str) -> None:
    said = re.findall(r"`([^`]+)`", ours)
    terms = [Rollout.model_validate(yaml.safe_load(one)) for one in said if one[0] == "{"]
    commands = parser().format_help()
    orders = [one.split()[0] for one in said if one[0] != "{"]
    assert terms or orders, theirs
    for order in orders:
        assert re.search(rf"^ +{order} ", commands, re.MULTILINE) or order == "wait", order
    for rollout in terms[:1]:
        sizes = [len(batch) for batch in batches(HOSTS, rollout).batches]
        assert ", ".join(map(str, sizes)) == cut
