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
        from schedules.services import guards, schedules, trigger_events

        pipelines.hooks.pipeline_leaves.register(guards.refuse_scheduled_pipeline)
        pipelines.hooks.endpoint_leaves.register(guards.refuse_scheduled_endpoint)
        pipelines.hooks.default_chosen.register(guards.refuse_disabled_default)
        pipelines.hooks.default_chosen.register(schedules.seal_for_default)
        datasets.hooks.version_made.register(trigger_events.dataset_made)
        registry.hooks.version_made.register(trigger_events.model_made)
        transitioned.connect(trigger_events.run_moved, sender=Run)
        transitioned.connect(trigger_events.dataset_moved, sender=DatasetVersion)
        workspaces.hooks.secrets_rotated.register(schedules.rotate)
        duties.register(1, "schedules.services.firing.check_due")
        duties.register(600, "schedules.services.firing.prune")
