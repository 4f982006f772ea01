"""A page's script with all it imports, so that a browser asks for them at once and not one after
the other has said what it needs."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

IMPORT = re.compile(r"^(?:import|\} from|export .* from)[^\"\n]*\"(\.[^\"]+)\"", re.MULTILINE)


@register.simple_tag
def modules(script: str) -> SafeString:
    """``{% modules "js/run.js" %}``: the script tag, and a preload of each module it leads to."""
    links = ((static(path),) for path in imported(script))
    return format_html(
        '{}<script type="module" src="{}"></script>',
        format_html_join("", '<link rel="modulepreload" href="{}">', links),
        static(script),
    )


@lru_cache(maxsize=64)
def imported(script: str) -> tuple[str, ...]:
    """The modules that a script leads to, itself left out, in the order in which they are met."""
    return tuple(_walk(script))


def _walk(script: str) -> Iterator[str]:
    ahead, seen = [script], {script}
    while ahead:
        here = ahead.pop(0)
        file = finders.find(here)
        for path in IMPORT.findall(Path(file).read_text("utf-8")) if file else ():
            there = normpath(join(dirname(here), path))
            if there not in seen:
                seen.add(there)
                ahead.append(there)
                yield there
