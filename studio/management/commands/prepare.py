"""`manage.py prepare`: what `up` does before the first page, for deployments that start each part by itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from studio import artifact_store
from studio.supervisor import database, people
from studio.supervisor.layout import Layout, Refusal


class Command(BaseCommand):
    """Migrate, make the first owner, give the local agent its key."""

    help = "Migrate the database, make the first owner and print their one-time sign-in link."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Safe to run again at every start."""
        layout = Layout(settings.DUTO.data_dir)
        try:
            layout.prepare()
            database.migrate(layout)
            if why := artifact_store.fault():
                raise Refusal(why)
            # Behind a proxy the pages are not public before the link has been used: nobody can sign in otherwise.
            link = people.prepare_first_owner(settings.DUTO.url, is_loopback=True)
            people.enrol_local_host(layout.home)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Sign in once, and choose a password: {link}" if link else "Ready.")
