from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "datasets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from datasets.services import datastores
        from workspaces.services import workspaces

        workspaces.on_created.append(datastores.furnish)
        workspaces.default_checks["default_datastore"] = datastores.check_default
