from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from runs import lending, live
        from runs.services.orchestration import run_transaction  # noqa: F401 - it listens to what models tell of their moves

        lending.lend()
        live.register()
