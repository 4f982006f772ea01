"""What a name may look like. Hosts, games, releases, recipes and credentials share one rule."""

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

#: Begins with a letter or digit, so a name can never be read as an option of a command.
NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"

name_validator = RegexValidator(
    rf"\A{NAME}\Z",
    _("A name has 1 to 64 of A-Z a-z 0-9 . _ + - and begins with a letter or a digit."),
)
