"""``python -m demo.filling INVENTORY``: fills a new instance, in the environment of that instance.

Prints ``{"password", "token"}`` of the administrator it made.
"""

import json
import secrets
import sys
from pathlib import Path

import django

USER = "demo"


def main(file: Path) -> None:
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from deploy_tasks import inventory
    from webapp import tokens

    call_command("prepare", state_only=True)
    password = secrets.token_urlsafe(9)
    user = User.objects.create_superuser(USER, password=password)
    inventory.import_file(file, by=user)
    print(json.dumps({"password": password, "token": tokens.create(user)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
