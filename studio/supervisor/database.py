"""Bring the database to the shape of this version, after a copy, and never backwards."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from studio.bootstrap import ROOT
from studio.supervisor.layout import Layout, Refusal

KEPT_COPIES = 5


def own_apps() -> set[str]:
    """The applications of this checkout; those of libraries have versions of their own."""
    from django.apps import apps

    return {each.label for each in apps.get_app_configs() if Path(each.path).parent == ROOT}


def load_django() -> None:
    """Set Django up in this process; from here on the apps can be imported."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django

    django.setup()


def migrate(layout: Layout) -> None:
    """Apply what is missing. With nothing to do this costs one query."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import OperationalError

    from studio.supervisor import schema

    known = schema.on_disk()
    try:
        applied = schema.applied()
    except OperationalError as error:
        raise Refusal(f"The database does not answer: {str(error).strip()}") from error
    refuse_newer(applied, known)
    if known <= applied:
        return
    if not applied and schema.is_empty():
        schema.create(known)
        return
    if settings.DUTO.uses_sqlite:
        copy_aside(settings.DUTO.sqlite_path, layout.home / "backups")
    call_command("migrate", interactive=False, verbosity=0)


def refuse_newer(applied: set[tuple[str, str]], known: set[tuple[str, str]]) -> None:
    """An older program must not write into a newer schema."""
    own = own_apps()
    unknown = sorted(f"{app}.{name}" for app, name in applied - known if app in own)
    if unknown:
        raise Refusal(
            "The database was written by a newer version of Duto and is left as it is\n"
            f"(it knows {', '.join(unknown[:3])}{' and more' if len(unknown) > 3 else ''}). "
            "Start that version, or restore a copy from `backups`."
        )


def copy_aside(database: Path, folder: Path) -> Path:
    """A consistent copy through SQLite itself, the last few kept."""
    target = folder / f"db-{time.strftime('%Y%m%d-%H%M%S')}.sqlite3"
    try:
        with sqlite3.connect(database) as source, sqlite3.connect(target) as copy:
            source.backup(copy)
    except (sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        raise Refusal(f"The database could not be copied before its schema changes: {error}") from error
    for old in sorted(folder.glob("db-*.sqlite3"))[:-KEPT_COPIES]:
        old.unlink(missing_ok=True)
    return target
