from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "datasets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core import duties, storage
        from datasets import own_store
        from datasets.services import datastores, registration
        from workspaces import hooks

        storage.object_folder.register(own_store.folder)
        hooks.workspace_created.register(datastores.add_standard)
        hooks.secrets_rotated.register(registration.rotate)
        hooks.check_default_datastore.register(datastores.check_default)
        duties.register(2, "datasets.services.profiling.resume_waiting")
