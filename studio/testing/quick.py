"""What the suite spares itself: hashes that are slow on purpose, the past states of an empty database, a flush that fills
the tables of migrations anew, looking at each static file for each client, and looking for garbage among what stays to the
end."""

from __future__ import annotations

import gc
from typing import Any

# The end of `migrate` fills them, no test writes to them.
FILLED = frozenset({"django_content_type", "auth_permission"})
HASHER = "django.contrib.auth.hashers.MD5PasswordHasher"


def hash_quickly() -> None:
    """Passwords of the people in tests; those of whole studios are hashed as everywhere."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = [HASHER, *settings.PASSWORD_HASHERS]


def collect_rarely() -> None:
    """Modules and tests are there to the end: a look through all of them for each seven hundred new objects finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def create_quickly() -> None:
    """Each worker's database as a first start makes it; that migrations lead to the same is a test of its own."""
    from django.core import management
    from django.db.backends.base.creation import BaseDatabaseCreation

    from studio.supervisor import schema

    create, call_command = BaseDatabaseCreation.create_test_db, management.call_command

    def call(command: str, **options: Any) -> Any:
        is_first = command == "migrate" and schema.is_empty()
        return _create(options["database"]) if is_first else call_command(command, **options)

    def create_test_db(self: Any, *arguments: Any, **options: Any) -> str:
        # It imports the name when it is called.
        management.call_command = call  # type: ignore[assignment]
        try:
            return create(self, *arguments, **options)
        finally:
            management.call_command = call_command

    BaseDatabaseCreation.create_test_db = create_test_db  # type: ignore[method-assign]


def _create(database: str) -> None:
    """What `migrate` leaves in an empty database."""
    from django.core.management.sql import emit_post_migrate_signal

    from studio.supervisor import schema

    schema.create(schema.on_disk())
    emit_post_migrate_signal(verbosity=0, interactive=False, db=database)


def serve_quickly() -> None:
    """Each client of a test has middleware of its own, of which one would look at every static file anew."""
    from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

    look, files = WhiteNoiseMiddleware.add_files_from_finders, dict[str, Any]()

    def add_files_from_finders(self: Any) -> None:
        if not files:
            look(self)
            files.update(self.files)
        self.files.update(files)

    WhiteNoiseMiddleware.add_files_from_finders = add_files_from_finders


def flush_quickly() -> None:
    """After a test that commits, delete the rows: cheaper than new files for every table, most of which are empty."""
    from django.test import TransactionTestCase

    TransactionTestCase._fixture_teardown = _empty  # type: ignore[attr-defined]


def _empty(case: Any) -> None:
    """Every table but those that `migrate` fills."""
    from django.core.management.color import no_style
    from django.db import connections

    for name in case._databases_names(include_mirrors=False):
        connection = connections[name]
        tables = sorted(
            set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - FILLED
        )
        if connection.vendor == "postgresql":
            _delete(connection, [connection.ops.quote_name(table) for table in tables])
        else:
            connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))


def _delete(connection: Any, tables: list[str]) -> None:
    """In any order: what refers to what is nobody's concern when all goes. Who still writes is waited for."""
    from django.db import transaction

    words = [
        "SET LOCAL session_replication_role = replica",
        f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE",
        *(f"DELETE FROM {table}" for table in tables),
    ]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("; ".join(words))
