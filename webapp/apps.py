from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class WebappConfig(AppConfig):
    name = "webapp"
    verbose_name = gettext_lazy("Access")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from webapp import dangers  # noqa: F401 (registers its check)
