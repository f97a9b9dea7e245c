"""Datastores of SQLite and DuckDB files: what they answer, and that a query reaches nothing but its file."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core.errors import Invalid
from core.objects import StoreAway, StoreError
from core.storage import data_dir
from datasets import sql_child
from datasets.models import DatasetVersion, Datastore
from datasets.services import content, fetching, registration
from datasets.stores import database_of
from tests.workspace_scenario import WorkspaceScenario

pytestmark = pytest.mark.django_db
TABLE = (
    "create table t (n bigint, s varchar, f double); insert into t values (1, 'é', 0.5), (9007199254740993, null, 2)"
)


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """The one folder that is allowed, with a file beside it that is not."""
    made = tmp_path / "bases"
    made.mkdir()
    (tmp_path / "other.csv").write_text("a\n1\n")
    settings.DUTO = replace(settings.DUTO, database_folders=f"/nowhere:{made}")
    return made


def make(kind: str, path: Path, sql: str = TABLE) -> Path:
    if kind == "sqlite":
        with sqlite3.connect(path) as connection:
            connection.executescript(sql)
        connection.close()
    else:
        with duckdb.connect(path) as base:
            base.execute(sql)
    return path


@pytest.fixture(params=["sqlite", "duckdb"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, folder: Path, scenario: WorkspaceScenario) -> Datastore:
    """One that is not opened yet: that takes a process."""
    options = {"path": str(make(kind, folder / "b.db"))}
    return registration.register(scenario.context, "base", kind, options, {}, validate=False)


def rows(store: Datastore, sql: str, seconds: int = 20) -> list[list[Any]]:
    return [list(row.values()) for batch in database_of(store).query(sql, seconds) for row in batch.to_pylist()]


def test_a_query_is_read_as_a_table(store: Datastore, scenario: WorkspaceScenario) -> None:
    assert registration.test(scenario.context, "base").failed == ""
    names = [each.rpartition(".")[2] for each in database_of(store).tables()]
    assert names == ["t"]
    source = {"datastore": "base", "query": "with a as (select * from t) select n, s, f from a order by n;"}
    body = {"name": "q", "kind": "tabular", "definition": {"sources": [source], "format": {"type": "parquet"}}}
    assert scenario.api.post("datasets/", body).status_code == 201
    fetching.fetch(DatasetVersion.objects.get().pk)
    version = DatasetVersion.objects.select_related("workspace").get()
    assert version.status == "ready", version.error
    found = content.preview_of(version, 10)
    assert [each["type"] for each in found["columns"]] == ["long", "string", "float"]
    assert found["rows"] == [[1, "é", 0.5], [9007199254740993, None, 2.0]]


def test_no_rows_and_many_rows_are_tables_too(store: Datastore) -> None:
    (batch,) = database_of(store).query("select n, s from t where 1 = 0", 20)
    assert (batch.num_rows, batch.schema.names) == (0, ["n", "s"])
    many = (
        "with recursive r(g) as (select 1 union all select g + 1 from r where g < 25000) select g from r"
        if store.kind == "sqlite"
        else "select range + 1 as g from range(25000)"
    )
    batches = list(database_of(store).query(many, 20))
    assert sum(each.num_rows for each in batches) == 25000 and max(each.num_rows for each in batches) <= 10_000
    assert batches[-1].column(0)[-1].as_py() == 25000


def test_nothing_is_written_and_nothing_else_is_read(store: Datastore, folder: Path, tmp_path: Path) -> None:
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    other = tmp_path / "other.csv"
    for sql in (
        "drop table t",
        "insert into t values (1, 'a', 1)",
        "delete from t",
        "pragma journal_mode = wal",
        "",
        "attach 'x' as y",
    ):
        with pytest.raises(StoreError, match="only read"):
            rows(store, sql)
    sneaky = [
        "select 1; create table written (a int)", "select 1; select 2", f"select 1; attach '{folder}/y.db' as y",
        "with x as (select 1) insert into t select 1, 'a', 1", "select * from pragma_database_list()",
    ] if store.kind == "sqlite" else [
        "select 1; select 2", "select 1; copy t to 'out.csv'", f"select * from read_csv('{other}')", f"select * from '{other}'",
        f"select * from read_text('{other}')", f"select * from glob('{tmp_path}/*')", "select 1; install httpfs",
        "select 1; set enable_external_access = true", f"select 1; attach '{folder}/y.db'", f"from read_blob('{other}')",
        "select * from read_parquet('http://127.0.0.1:9/x.parquet')", "select * from query('copy t to ''out.csv''')",
        f"select * from sqlite_scan('{folder}/b.db', 't')", "with x as (select 1) insert into t select 1, 'a', 1",
    ]  # fmt: skip
    sneaky += ["select load_extension('x')", f"select readfile('{other}')", f"select writefile('{tmp_path}/w', 'x')"]
    # In this process, where they might do more; and one of them in the process that is made for it.
    for sql in sneaky:
        assert refused(store.kind, folder / "b.db", sql) in (
            "store_no_select",
            "store_own_tables",
            "store_bad_query",
        ), sql
    with pytest.raises(StoreError):
        rows(store, sneaky[-4])
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


def test_virtual_tables_of_sqlite_are_read_and_not_written(tmp_path: Path) -> None:
    path = make(
        "sqlite",
        tmp_path / "v.db",
        "create virtual table d using fts5(x); insert into d values ('one two');"
        "create virtual table e using fts4(x); insert into e values ('three');"
        "create virtual table r using rtree(id, a, b); insert into r values (7, 0, 2); create table r_t_node (x int)",
    )

    def rows(sql: str) -> list[dict[str, Any]]:
        with sql_child.opened({"engine": "sqlite", "path": str(path), "limit": 20}) as engine:
            return [row for batch in engine.query(sql) for row in batch.to_pylist()]

    assert rows("select value from json_each('[1, 2]')") == [{"value": 1}, {"value": 2}]
    assert rows("select x from d where d match 'two' order by rank") == [{"x": "one two"}]
    assert rows("select x from e where e match 'three'") == [{"x": "three"}]
    assert rows("select id from r where a < 1") == [{"id": 7}]
    before = path.read_bytes()
    for sql in (
        "with x as (select 1) insert into d(d) values ('rebuild')",
        "with x as (select 1) insert into r values (8, 0, 1)",
        "with x as (select 1) insert into r_t_node values (1)",
        "with x as (select 1) delete from r_node",
        "with x as (select 1) update sqlite_master set sql = ''",
        "select * from pragma_journal_mode",
    ):
        with pytest.raises(sql_child.Refusal):
            rows(sql)
    assert path.read_bytes() == before


def test_a_query_that_never_ends_is_ended(store: Datastore) -> None:
    slow = (
        "with recursive r(g) as (select 1 union all select g + 1 from r) select count(*) from r"
        if store.kind == "sqlite"
        else "select count(*) from range(1000000) a, range(1000000) b where a.range + b.range = -1"
    )
    began = time.monotonic()
    with pytest.raises(StoreError, match="took longer than 1 second"):
        rows(store, slow, 1)
    assert time.monotonic() - began < 8


def test_only_files_of_allowed_folders_are_databases(
    store: Datastore, kind: str, folder: Path, tmp_path: Path, scenario: WorkspaceScenario, settings: Any
) -> None:
    outside = make(kind, tmp_path / "outside.db")
    (folder / "link.db").symlink_to(outside)
    (folder / "inner.db").symlink_to(folder / "b.db")
    (data_dir() / "own.db").write_bytes((folder / "b.db").read_bytes())
    (folder / "folder").mkdir()
    (folder / "text.db").write_text("no database, but a text of some length: " * 200)

    def register(path: object, *, validate: bool = True) -> None:
        options = {"path": str(path)}
        registration.register(scenario.context, "other", kind, options, {}, overwrite=True, validate=validate)

    for path in (
        outside,
        folder / "link.db",
        folder / "../outside.db",
        "b.db",
        f"{folder}x/b.db",
        data_dir() / "own.db",
        "/etc/passwd",
    ):
        with pytest.raises(Invalid, match="DUTO_DATABASE_FOLDERS") as refused:
            register(path)
        assert (refused.value.code, refused.value.facts["field"]) == ("bad_option", "path")
    settings.DUTO = replace(settings.DUTO, database_folders=f"{folder}:{data_dir()}")
    with pytest.raises(Invalid, match="DUTO_DATABASE_FOLDERS"):
        register(data_dir() / "own.db")
    for path, says in (
        (folder / "none.db", "cannot be opened"),
        (folder / "folder", "is not there"),
        (folder / "text.db", "cannot be opened"),
    ):
        with pytest.raises(StoreError, match=says):
            register(path)
    register(folder / "inner.db", validate=False)
    # What is allowed, and where a link leads, is looked at with each question.
    (folder / "inner.db").unlink()
    (folder / "inner.db").symlink_to(outside)
    with pytest.raises(StoreError, match="DUTO_DATABASE_FOLDERS"):
        rows(Datastore.objects.get(name="other"), "select 1 as a")
    settings.DUTO = replace(settings.DUTO, database_folders="")
    with pytest.raises(StoreError, match="DUTO_DATABASE_FOLDERS"):
        rows(store, "select 1 as a")


def inside(kind: str, path: Path, sql: str) -> list[list[Any]]:
    """What the engine answers in this process. Raises `sql_child.Refusal`."""
    asked = {"engine": kind, "path": str(path), "limit": 10, "memory": 3 << 30}
    with sql_child.opened(asked) as engine:
        return [list(row.values()) for batch in engine.query(sql) for row in batch.to_pylist()]


def refused(kind: str, path: Path, sql: str) -> str:
    with pytest.raises(sql_child.Refusal) as caught:
        inside(kind, path, sql)
    return str(caught.value.document["code"])


def test_values_of_sqlite_are_never_turned_into_others(tmp_path: Path) -> None:
    """Its columns take values of any type."""
    path = make("sqlite", tmp_path / "odd.db", "create table t (a)")
    for sql, found in (
        ("select 1 as a union all select 2.5", [[1.0], [2.5]]),
        ("select 1 as a union all select 'x'", [["1"], ["x"]]),
        ("select x'00ff' as a", [[b"\x00\xff"]]),
        ("select null as a", [[None]]),
    ):
        assert inside("sqlite", path, sql) == found
    late = "with recursive r(g) as (select 1 union all select g + 1 from r where g < 10001) select {} as a from r"
    for value in ("2.5", "'x'", "x'00'", "9223372036854775807"):
        sql = late.format(f"case when g = 10001 then {value} else g end")
        assert value.isdecimal() or refused("sqlite", path, sql) == "store_bad_value", value
    for sql in (
        "select x'00ff' as a union all select 'x'", "select 9007199254740993 as a union all select 0.5",
        late.format("case when g = 10001 then 'x' else x'00' end"), late.format("case when g = 10001 then x'00' else 'x' end"),
    ):  # fmt: skip
        assert refused("sqlite", path, sql) == "store_bad_value", sql
    assert refused("sqlite", path, "select 1 as a, 2 as a") == "store_same_column"
    assert refused("sqlite", path, "select cast(x'ff' as text) as a") == "store_bad_query", "no UTF-8"


def test_types_of_duckdb_are_those_of_tables(tmp_path: Path) -> None:
    path = make("duckdb", tmp_path / "types.db", "create table t (a int)")
    found = inside(
        "duckdb", path,
        "select sum(range) h, 1.50::decimal(10, 2) d, timestamptz '2021-03-04 05:06:07+02' t, [1, null] l, {'a': 'é'} s, time '10:00' ti,"
        " 'x'::enum('x', 'y') e, date '2021-03-04' da, 'a'::blob b, null n, []::int[] em, uuid '00000000-0000-0000-0000-000000000001' u from range(4)",
    )  # fmt: skip
    assert [str(each) for each in found[0]] == [
        "6", "1.50", "2021-03-04 03:06:07", "[1, null]", '{"a": "é"}', "10:00:00", "x", "2021-03-04", "b'a'", "None", "[]",
        "00000000-0000-0000-0000-000000000001",
    ]  # fmt: skip
    wide = "select 170141183460469231731687303715884105727::hugeint h"
    assert refused("duckdb", path, wide) == "store_bad_value"
    assert refused("duckdb", path, "select 1 as a, 2 as a") == "store_same_column"
    for value in ("interval 1 day", "'101'::bit", "[interval 1 day]"):
        assert refused("duckdb", path, f"select {value} as a") == "store_odd_type", value


def test_a_file_that_is_held_by_another_is_away_for_now(store: Datastore, folder: Path) -> None:
    if store.kind == "duckdb":
        holder = duckdb.connect(folder / "b.db")  # in this process, so that the child finds it locked
        with pytest.raises(StoreAway, match="cannot answer at this moment"):
            rows(store, "select 1 as a")
        holder.close()
    else:
        other = sqlite3.connect(folder / "b.db", isolation_level=None, check_same_thread=False)
        other.execute("begin exclusive")
        threading.Timer(1.0, lambda: other.execute("rollback")).start()
        assert rows(store, "select count(*) as a from t") == [[2]], "it waits for a moment"
        other.close()
    assert rows(store, "select count(*) as a from t") == [[2]]
