"""`manage.py audit_head`: the signed end of the audit, to be kept on another machine."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from deploy_tasks.audit import book, signing


class Command(BaseCommand):
    help = (
        "Prints the number and hash of the newest entry, signed; keep it where nobody of this"
        " instance can write, and give it to audit_verify --head."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--json", action="store_true", help="as it is anyway")

    def handle(self, *args: Any, **options: Any) -> str:
        return json.dumps(signing.sign(book.head()))
