"""The first tables of an empty database, straight from the models.

Migrations rebuild every past state of every model, which takes seconds; on an empty database there is no past.
A test holds both ways to the same schema. Migrations that move data cannot be taken this way: a test forbids them
here until this module knows them.
"""

from __future__ import annotations

import importlib
import pkgutil

from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

Names = set[tuple[str, str]]


def on_disk() -> Names:
    """Every migration of this version, found by file name: importing all of them is slow."""
    found: Names = set()
    for app in apps.get_app_configs():
        try:
            package = importlib.import_module(f"{app.name}.migrations")
        except ModuleNotFoundError:
            continue
        names = (module.name for module in pkgutil.iter_modules(package.__path__))
        found |= {(app.label, name) for name in names if name[0] not in "_~"}
    return found


def applied() -> Names:
    """What the database says of itself; nothing for an empty one."""
    return set(MigrationRecorder(connection).applied_migrations())


def is_empty() -> bool:
    """True for a database without a single table."""
    return not connection.introspection.table_names()


def create(names: Names) -> None:
    """All tables, and every migration noted as applied, in one transaction where the database can."""
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
        recorder = MigrationRecorder(connection)
        editor.create_model(recorder.Migration)
        recorder.Migration.objects.bulk_create([recorder.Migration(app=app, name=name) for app, name in sorted(names)])
