from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "schedules"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import datasets.hooks
        import pipelines.hooks
        import registry.hooks
        import workspaces.hooks
        from core import duties
        from core.lifecycle import transitioned
        from datasets.models import DatasetVersion
        from runs.models import Run
        from schedules.services import causes, guards, schedules

        pipelines.hooks.pipeline_leaves.register(guards.keep_pipeline)
        pipelines.hooks.endpoint_leaves.register(guards.keep_endpoint)
        pipelines.hooks.default_chosen.register(guards.keep_running)
        datasets.hooks.version_made.register(causes.dataset_made)
        registry.hooks.version_made.register(causes.model_made)
        transitioned.connect(causes.run_moved, sender=Run)
        transitioned.connect(causes.dataset_moved, sender=DatasetVersion)
        workspaces.hooks.secrets_rotated.register(schedules.rotate)
        duties.register(1, "schedules.services.firing.look")
        duties.register(600, "schedules.services.firing.prune")
