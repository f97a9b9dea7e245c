"""A database that is created at once is the one that the migrations make."""

from __future__ import annotations

import importlib
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.recorder import MigrationRecorder

from studio.bootstrap import ROOT
from studio.supervisor import database, schema
from studio.supervisor.layout import Layout, Refusal
from studio.testing.live import clean_env

Shape = dict[str, object]


def shape(path: Path) -> Shape:
    """Tables by their columns, and the statements of indexes: order of columns is of no matter."""
    found: Shape = {}
    with sqlite3.connect(path) as database_file:
        for kind, name, table, sql in database_file.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
            if name.startswith("sqlite_"):
                continue
            if kind == "table":
                found[name] = (columns(database_file, name), keys(database_file, name), checks(sql))
            else:
                found[name] = (table, sql)
    return found


def columns(database_file: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    return {row[1:] for row in database_file.execute(f'PRAGMA table_info("{table}")')}


def keys(database_file: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    return {row[2:] for row in database_file.execute(f'PRAGMA foreign_key_list("{table}")')}


def checks(sql: str) -> set[str]:
    return set(re.findall(r'CONSTRAINT "\w+" (?:UNIQUE|CHECK) \(.*?\)(?=[,)] ?|$)', sql))


PROGRAM = (
    "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'studio.settings'; import django; django.setup();"
    "from studio.supervisor import schema; from django.core.management import call_command;"
    "schema.create(schema.on_disk()) if sys.argv[1] == 'create' else call_command('migrate', verbosity=0);"
    "assert schema.applied() == schema.on_disk()"
)
# Django's own table of many to many, which nothing here fills: its key is as wide as Django's models say, or its migrations.
OF_DJANGO = "auth_group_permissions"
# Constraints and indexes by what they say; their names tell of the past of a table.
OF_POSTGRESQL = """
SELECT table_name, 'column', concat_ws(' ', column_name, data_type, character_maximum_length, is_nullable, column_default,
                                      is_identity, collation_name)
FROM information_schema.columns WHERE table_schema = 'public' AND NOT (table_name, column_name) = (%s, 'id')
UNION ALL
SELECT conrelid::regclass::text, 'constraint', pg_get_constraintdef(oid) || condeferrable || condeferred
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT tablename, 'index', regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') FROM pg_indexes WHERE schemaname = 'public'
"""


def run(way: str, home: Path, **settings: str) -> None:
    home.mkdir()
    env = clean_env({"DUTO_DATA_DIR": str(home), **settings})
    subprocess.run([sys.executable, "-c", PROGRAM, way], cwd=ROOT, env=env, check=True)


def test_both_ways_lead_to_the_same_schema_on_postgresql(tmp_path: Path) -> None:
    """The suite's own database is made at once; here all migrations are run."""
    server, shapes = os.environ["DUTO_DATABASE_URL"], []
    for way in ("create", "migrate"):
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE way_{way}")
        url = urlsplit(server)._replace(path=f"/way_{way}").geturl()
        run(way, tmp_path / way, DUTO_DATABASE_URL=url, DUTO_REDIS_URL=os.environ["DUTO_REDIS_URL"])
        with psycopg.connect(url) as connection:
            shapes.append(Counter(connection.execute(OF_POSTGRESQL, [OF_DJANGO]).fetchall()))
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE way_{way} WITH (FORCE)")
    created, migrated = shapes
    assert created
    assert (sorted(created - migrated), sorted(migrated - created)) == ([], [])


def test_both_ways_lead_to_the_same_schema(tmp_path: Path) -> None:
    shapes = []
    for way in ("create", "migrate"):
        run(way, tmp_path / way)
        shapes.append(shape(tmp_path / way / "db.sqlite3"))
    created, migrated = shapes
    assert created.keys() == migrated.keys()
    assert created == migrated


def test_the_suite_makes_its_database_at_once(db: None) -> None:
    """Migrations would have noted themselves one after the other, as they stand on each other."""
    noted = list(MigrationRecorder.Migration.objects.order_by("id").values_list("app", "name"))
    assert noted == sorted(schema.on_disk())


def test_no_migration_moves_data_behind_the_back_of_a_first_start() -> None:
    own = database.own_apps()
    assert {"core", "runs", "schedules", "notifications"} <= own and "auth" not in own
    for app, name in sorted(schema.on_disk()):
        if app not in own:
            continue
        module = importlib.import_module(f"{app}.migrations.{name}")
        moves = [one for one in module.Migration.operations if isinstance(one, RunPython | RunSQL)]
        # What only mends rows of an earlier release has nothing to do where there are none.
        assert not moves or getattr(module, "MENDS_OLD_ROWS", False), (
            f"{app}.{name} moves data: studio.supervisor.schema.create must do the same"
        )


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_a_copy_is_made_before_a_change_and_only_a_few_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE precious (what text)")
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(10, 19):
        (folder / f"db-202601{day}-000000.sqlite3").write_bytes(b"old")
    copy = database.copy_aside(path, folder)
    with sqlite3.connect(copy) as file:
        assert file.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    assert len(list(folder.iterdir())) == database.KEPT_COPIES


def test_a_broken_database_is_not_migrated_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(Refusal, match="could not be copied"):
        database.copy_aside(path, Layout(tmp_path).home)
