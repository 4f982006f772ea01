"""What a page's script leads to is asked for at once."""

from pathlib import Path

from django.conf import settings

from webapp.templatetags.modules import imported, modules

SCRIPTS = Path(settings.BASE_DIR) / "webapp" / "static"


def test_every_module_that_a_script_leads_to_is_named_once_and_is_there() -> None:
    found = imported("js/run.js")
    assert {"js/stream.js", "js/timers.js", "js/words.js", "js/gantt.js"} <= set(found)
    assert len(found) == len(set(found))
    assert "js/run.js" not in found
    assert all((SCRIPTS / path).is_file() for path in found)


def test_the_tag_preloads_them_before_the_script() -> None:
    tag = modules("js/run.js")
    assert tag.count("modulepreload") == len(imported("js/run.js"))
    assert tag.index("words.js") < tag.index('<script type="module" src=')


def test_a_script_that_imports_nothing_is_a_script() -> None:
    assert modules("js/dom.js").startswith("<script")
