"""How static files are stored for browsers to keep."""

import re
from pathlib import Path

from django.core.management import call_command
from pytest_django import Settings

from webapp import settings as product


def test_modules_import_each_other_under_names_that_change_with_their_content(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = product.STORAGES
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    call_command("collectstatic", interactive=False, verbosity=0)
    [page] = (tmp_path / "js").glob("run.*.js")
    imported = re.findall(r'from "\./([^"]+)"', page.read_text())
    assert "stream.js" not in imported
    assert all(re.fullmatch(r"\w+\.[0-9a-f]{12}\.js", name) for name in imported)
    assert all((tmp_path / "js" / name).is_file() for name in imported)
