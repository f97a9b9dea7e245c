from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    name = "environments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from environments.queries import may_watch_build
        from environments.services import curated, logs
        from workspaces import live
        from workspaces.services import workspaces

        workspaces.on_created.append(curated.furnish)
        live.register("build", may_watch_build, logs.catch_up)
