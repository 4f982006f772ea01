from django.apps import AppConfig


class DeployTasksConfig(AppConfig):
    name = "deploy_tasks"
    verbose_name = "Patchwave"
    default_auto_field = "django.db.models.BigAutoField"
