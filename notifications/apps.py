from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import monitors.hooks
        import registry.hooks
        import schedules.hooks
        import workspaces.hooks
        from core import duties
        from core.lifecycle import transitioned
        from notifications import live
        from notifications.services import alerts, channels, occurrences
        from runs.models import Run

        transitioned.connect(occurrences.note_run, sender=Run)
        schedules.hooks.ticks_missed.register(occurrences.note_ticks)
        monitors.hooks.drifted.register(occurrences.note_drift)
        monitors.hooks.degraded.register(occurrences.note_degradation)
        monitors.hooks.alerts_asked.register(alerts.set_addresses)
        registry.hooks.version_made.register(occurrences.note_model)
        workspaces.hooks.secrets_rotated.register(channels.rotate)
        live.register()
        duties.register(1, "notifications.services.deliveries.wake_workers")
        duties.register(15, "notifications.services.watching.wake_worker")
        duties.register(600, "notifications.services.deliveries.prune")
