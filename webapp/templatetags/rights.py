"""What templates ask about the reader's rights."""

from django import template

from webapp import access
from webapp.access import Right, Visitor

register = template.Library()


@register.filter
def maintains(user: Visitor) -> bool:
    """Some game at least: then there is something for them in the admin."""
    return access.maintains(user)


@register.filter
def administers(user: Visitor) -> bool:
    """Everything, that is: the inventory of all games, and who else may do what."""
    return access.may(user, Right.ADMINISTER, None)
