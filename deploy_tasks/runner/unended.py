"""Ends on a host what a person has decided about without knowing its end.

The host may have been out of reach then, or the plan's files gone: a script of it can run still,
and the next one can begin at any time. Nothing else starts there before that is over.
"""

from django.utils.translation import gettext as _

from deploy_tasks import commands, desk
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Event, Host
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Failed
from deploy_tasks.runner.story import Story

#: Seconds between two questions.
PAUSE = 1.0


def end(story: Story, contact: Contact, *, launched: bool) -> None:
    """Waits for a script that must not be interrupted; its own time limit is kept by the host.

    Raises Failed where the host cannot be told, and what `Contact.ask` raises: a cancel, too, where
    nothing of this host run has begun.
    """
    host = story.run.host
    if host is None or not host.unended_plan:
        return
    nonce = commands.new_nonce()
    program = commands.end(host.unended_plan, nonce)
    told = False
    while (said := commands.word(contact.ask(program, launched=launched).stdout, nonce)) != "quiet":
        if said != "busy":
            raise Failed(_("a step that was given up may run there still, and cannot be ended"))
        if not told:
            text = _("a step that was given up runs there still: its end is waited for")
            story.tell(news=[story.news(Event.Kind.NOTE, {"text": text})])
            told = True
        story.carriage.wait(PAUSE)
        contact.look(launched=launched)
    failpoint("unended.quiet")
    _forget(host)


@desk.asked
def _forget(host: Host) -> None:
    Host.objects.filter(pk=host.pk, unended_plan=host.unended_plan).update(unended_plan="")
