from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compute.services import enrolments, host_maintenance, targets
        from workspaces import hooks

        hooks.check_default_compute.register(targets.check_default)
        hooks.open_enrolments_of.register(enrolments.open_of)
        hooks.workspace_deleted.register(host_maintenance.end_all_of)
