"""What names and numbers may look like in an address; anything else is simply not there."""

import re

from django.urls import register_converter
from django.urls.converters import StringConverter

from deploy_tasks.names import NAME


class NameConverter(StringConverter):
    regex = NAME


def number(text: str) -> int | None:
    """A whole number that a database can hold; None for anything else."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


register_converter(NameConverter, "name")
