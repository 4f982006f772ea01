"""Who may see and do what: the one module that decides, for pages, the API, the socket and the
admin alike.

A right comes from a role in one game or in all games, of a user or of a group the user is in;
without one nothing is visible. An API token may leave less of it (`Limits`), never more. What
belongs to several games, a recipe or a credential, is changed by those who may change all of them.
"""

from webapp.access.changes import (
    RULES,
    Rule,
    changeable,
    choices,
    maintains,
    may_add,
    may_change,
    may_change_some,
    may_remove,
    reach,
    recipes_to_choose,
    usable_credentials,
    usable_machines,
)
from webapp.access.rights import (
    GIVEN_BY,
    LEFT_BY,
    UNLIMITED,
    Limits,
    Open,
    Right,
    Takes,
    Visitor,
    games,
    is_superuser,
    limit,
    may,
    may_on_their_own,
    require,
    right_in,
    takes,
)
from webapp.access.sight import (
    audience,
    viewers,
    visible_games,
    visible_hosts,
    visible_jobs,
    visible_releases,
)

__all__ = [
    "GIVEN_BY",
    "LEFT_BY",
    "RULES",
    "UNLIMITED",
    "Limits",
    "Open",
    "Right",
    "Rule",
    "Takes",
    "Visitor",
    "audience",
    "changeable",
    "choices",
    "games",
    "is_superuser",
    "limit",
    "maintains",
    "may",
    "may_add",
    "may_change",
    "may_change_some",
    "may_on_their_own",
    "may_remove",
    "reach",
    "recipes_to_choose",
    "require",
    "right_in",
    "takes",
    "usable_credentials",
    "usable_machines",
    "viewers",
    "visible_games",
    "visible_hosts",
    "visible_jobs",
    "visible_releases",
]
