from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    name = "environments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from environments.queries import may_watch_build
        from environments.services import curated, logs
        from workspaces import hooks, live

        hooks.workspace_created.register(curated.add_curated)
        live.register("build", may_watch_build, logs.catch_up)
