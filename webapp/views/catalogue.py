"""What the JavaScript modules of a page say, in the reader's language."""

import json
from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from django.views.decorators.http import conditional_page
from django.views.i18n import JavaScriptCatalog

from webapp import retelling
from webapp.access import Open, takes


class Catalogue(JavaScriptCatalog):
    """Django's catalogue, and beside it the patterns of sentences that were stored."""

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        answer: HttpResponse = super().render_to_response(context, **options)
        patterns = [
            [pattern.regex, pattern.names, pattern.told]
            for pattern in retelling.patterns(get_language() or "")
        ]
        answer["Cache-Control"] = "no-cache"  # the same for everybody
        answer.write(f"\ndjango.patterns = {json.dumps(patterns, ensure_ascii=False)};\n")
        return answer


# A page asks each time, and is answered "not modified" while nothing has changed.
catalogue = takes(Open.ANYBODY)(conditional_page(Catalogue.as_view()))
