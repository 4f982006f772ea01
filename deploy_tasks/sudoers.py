"""The lines that let the user of a host run what its recipe declares by sudo, and no more."""

import re
import shlex
from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _

from deploy_tasks import recipes, revisions
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Host

#: Where commands are looked for that a recipe names without a path.
USUAL = "/usr/bin"

_VARIABLE = re.compile(r"\$(?:\{([a-z_0-9]+)\}|([a-z_0-9]+))")


def commands_of(host: Host) -> list[list[str]]:
    """The words of each command, with this host's values. Raises InvalidInput for one that only
    the host's shell could tell."""
    recipe = revisions.recipe_of(host.game.recipe.newest())
    values = recipes.resolve(recipe, game=host.game.vars, host=host.vars, job={})
    return [_words(command, {**values.plain, "host": host.name}) for command in recipe.sudo]


def lines(host: Host) -> str:
    """A file for ``/etc/sudoers.d``; to be checked with ``visudo -cf``. Raises InvalidInput."""
    commands = [_command(words) for words in commands_of(host)]
    if not commands:
        return ""
    rules = ", \\\n    ".join(commands)
    return (
        f"# /etc/sudoers.d/patchwave on {host.name}\n"
        f"Defaults:{host.user} !requiretty, env_reset\n"
        f"{host.user} ALL=(root) NOPASSWD: {rules}\n"
    )


def _words(command: str, values: Mapping[str, str]) -> list[str]:
    words = []
    for word in shlex.split(command):
        filled = _VARIABLE.sub(lambda found: values.get(found[1] or found[2], found[0]), word)
        # A dollar at its end would make it a pattern, a line's end two lines.
        if "$" in filled or "`" in filled or not filled.isprintable():
            raise InvalidInput(
                _("“%s” is known to the host's shell alone; write its sudoers line by hand")
                % command
            )
        words.append(filled)
    return words


def _command(words: Iterable[str]) -> str:
    """sudo compares word by word; what is special in its file is escaped. No wildcards."""
    first, *rest = words
    path = first if first.startswith("/") else f"{USUAL}/{first}"
    # Without arguments any would be allowed.
    return " ".join(_escaped(word) for word in [path, *rest]) if rest else f'{_escaped(path)} ""'


def _escaped(word: str) -> str:
    return re.sub(r"([\\,:=*?\[\]!#\s])", r"\\\1", word)
