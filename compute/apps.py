from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compute.services import enrolments, host_maintenance, targets
        from workspaces.services import members, removal, workspaces

        workspaces.default_checks["default_compute"] = targets.check_default
        members.counted_ends["enrolments"] = enrolments.open_of
        removal.before_delete.append(host_maintenance.end_all_of)
