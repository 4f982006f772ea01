from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class DeployTasksConfig(AppConfig):
    name = "deploy_tasks"
    verbose_name = gettext_lazy("Inventory")
    default_auto_field = "django.db.models.BigAutoField"
