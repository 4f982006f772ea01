"""The sentences of the command line, from the same catalogue as the pages, without Django."""

import gettext

from webapp.env import BASE

# The environment chooses. locale/zh is another name of locale/zh_Hans: systems say zh_CN.
_catalogue = gettext.translation("django", BASE / "locale", fallback=True)
_ = _catalogue.gettext
ngettext = _catalogue.ngettext
#: As Django calls it; empty for English.
LANGUAGE = _catalogue.info().get("language", "").lower().replace("_", "-")


def plain(text: str) -> str:
    r"""What a terminal shows and does not obey: ESC becomes ``\x1b``."""
    return "".join(char if char.isprintable() or char == "\t" else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()
