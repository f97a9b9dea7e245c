from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import core.addresses  # noqa: F401 (its converters are registered by that)
        from core.rows import keep_floats, read_clean

        read_clean()
        keep_floats()
