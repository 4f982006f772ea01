"""What a name may look like in a path; anything else is simply not there."""

from django.urls import register_converter
from django.urls.converters import StringConverter

from deploy_tasks.names import NAME


class NameConverter(StringConverter):
    regex = NAME


register_converter(NameConverter, "name")
