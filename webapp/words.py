"""Sentences in the language of the environment, from the pages' catalogue, without Django.

For whatever speaks before Django is there, or never needs it: settings, commands, the demo.
"""

import gettext
from pathlib import Path

# The environment chooses. locale/zh is another name of locale/zh_Hans: systems say zh_CN.
_catalogue = gettext.translation(
    "django", Path(__file__).resolve().parent.parent / "locale", fallback=True
)
_ = _catalogue.gettext
ngettext = _catalogue.ngettext
#: As Django calls it; empty for English.
LANGUAGE = _catalogue.info().get("language", "").lower().replace("_", "-")
