"""Static files under names that change with their content: cached for ever, never out of step."""

from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also where one JavaScript module imports another: a page never mixes two releases."""

    support_js_module_import_aggregation = True
