from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "schedules"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import pipelines.hooks
        from core import duties
        from schedules.services import guards

        pipelines.hooks.pipeline_leaves.register(guards.keep_pipeline)
        pipelines.hooks.endpoint_leaves.register(guards.keep_endpoint)
        duties.register(1, "schedules.services.firing.look")
        duties.register(600, "schedules.services.firing.prune")
