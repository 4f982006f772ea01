"""What a step that is lost has left running on its host: what to do about it a person knows. It may
be the game."""

from django.utils.translation import gettext as _

from deploy_tasks import commands
from deploy_tasks.masking import Mask
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Failed, Unknown
from deploy_tasks.visible import words

#: Of many, so many are named.
NAMED = 5


def named(contact: Contact, plan: str, mask: Mask, *, certain: bool) -> str | None:
    """Such as ``4711 tar, 4712 gzip``; empty where nothing is left, None where nobody can say.

    Certain: the host is asked until it answers; raises Unknown where it does not, and what
    `Contact.ask` raises.
    """
    program, mark = commands.left(plan)
    said = _asked(contact, program) if certain else contact.ask_once(program)
    _noise, found, answer = (said or b"").partition(mark)
    if not found:
        if certain:
            raise Unknown(_("the host does not say what a lost step has left running there"))
        return None
    # The rest of the mark's own line is the host's uptime.
    lines = words(answer.partition(b"\n")[2], mask).splitlines()
    more = ["…"] if len(lines) > NAMED else []
    return ", ".join([*lines[:NAMED], *more])


def _asked(contact: Contact, program: commands.Program) -> bytes:
    try:
        return contact.ask(program, launched=True).stdout
    except Failed as failure:
        # Nothing has failed: it only gave no answer.
        raise Unknown(str(failure)) from None
