"""What a step that is lost has left running on its host: what to do about it a person knows. It may
be the game."""

from deploy_tasks import commands
from deploy_tasks.masking import Mask
from deploy_tasks.runner.contact import Contact
from deploy_tasks.visible import words

#: Of many, so many are named.
NAMED = 5


def named(contact: Contact, plan: str, mask: Mask) -> str:
    """Such as ``4711 tar, 4712 gzip``; empty where nothing is left, or the host is not there."""
    program, mark = commands.left(plan)
    _noise, _mark, answer = contact.ask_if_there(program).partition(mark)
    # The rest of the mark's own line is the host's uptime.
    lines = words(answer.partition(b"\n")[2], mask).splitlines()
    more = ["…"] if len(lines) > NAMED else []
    return ", ".join([*lines[:NAMED], *more])
