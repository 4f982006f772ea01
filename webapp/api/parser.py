"""How the API reads the bodies of requests."""

from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from webapp import strict_json


class StrictParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return strict_json.loads(request.body)
