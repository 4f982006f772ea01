"""What a name may look like. Hosts, games, releases, recipes and credentials share one rule."""

import re
from typing import Annotated

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from pydantic import AfterValidator, WithJsonSchema

#: Begins with a letter or digit, so a name can never be read as an option of a command.
NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"

RULE = _("A name has 1 to 64 of A-Z a-z 0-9 . _ + - and begins with a letter or a digit.")

name_validator = RegexValidator(rf"\A{NAME}\Z", RULE)


def valid_name(text: str) -> str:
    """The text itself. Raises ValueError with the rule."""
    if re.fullmatch(NAME, text) is None:
        raise ValueError(str(RULE))
    return text


#: A field of a pydantic model.
Name = Annotated[
    str, AfterValidator(valid_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"})
]
