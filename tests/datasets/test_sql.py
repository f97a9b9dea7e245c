"""Datasets of queries: asked by a worker in a transaction that cannot write, and kept as Parquet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as django_settings

from core.objects import StoreError
from datasets.models import DatasetVersion, Datastore
from datasets.services import content, fetching, registration
from datasets.sql import first_rows
from datasets.stores import database_of
from tests.datasets import store_servers as servers
from tests.datasets.store_servers import StoreServer
from tests.workspace_scenario import WorkspaceScenario, code

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def near(settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)


def postgres() -> StoreServer:
    """The server of the tests themselves."""
    base = django_settings.DATABASES["default"]
    if "postgresql" not in base["ENGINE"]:
        pytest.skip("these tests run on SQLite")
    options = {"host": "127.0.0.1", "port": str(base["PORT"]), "database": base["NAME"], "username": base["USER"]}
    return StoreServer("postgresql", options, {"password": base.get("PASSWORD") or "none"})


@pytest.fixture(scope="module")
def mysql() -> Iterator[StoreServer]:
    with servers.mariadb() as found:
        yield found


@pytest.fixture(params=["postgresql", "mysql"])
def store(request: pytest.FixtureRequest, scenario: WorkspaceScenario) -> Datastore:
    server = postgres() if request.param == "postgresql" else request.getfixturevalue("mysql")
    return registration.register(scenario.context, "base", server.kind, server.options, server.credentials)


def rows(store: Datastore, sql: str, seconds: int = 20) -> list[list[Any]]:
    return [list(row.values()) for batch in database_of(store).query(sql, seconds) for row in batch.to_pylist()]


QUERY = (
    "with t as (select 1 as n, 'é, \"x\"' as s union all select 9007199254740993, null)"
    " select n, s, cast('2021-03-04 05:06:07' as {time}) as t, cast(1.50 as decimal(10, 2)) as d from t order by n"
)


def query_of(store: Datastore) -> str:
    return QUERY.format(time="timestamp" if store.kind == "postgresql" else "datetime")


def test_a_query_is_read_as_a_table(store: Datastore, scenario: WorkspaceScenario) -> None:
    source = {"datastore": "base", "query": query_of(store) + ";"}
    body = {"name": "q", "kind": "tabular", "definition": {"sources": [source], "format": {"type": "parquet"}}}
    answer = scenario.api.post("datasets/", body)
    assert answer.status_code == 201 and answer.json()["status"] == "fetching", answer.content
    fetching.fetch(DatasetVersion.objects.get().pk)
    version = DatasetVersion.objects.select_related("workspace").get()
    assert version.status == "ready", version.error
    found = content.preview_of(version, 10)
    assert [each["name"] for each in found["columns"]] == ["n", "s", "t", "d"]
    assert [each["type"] for each in found["columns"]] == ["long", "string", "datetime", "float"]
    assert found["rows"] == [
        [1, 'é, "x"', "2021-03-04T05:06:07", 1.5], [9007199254740993, None, "2021-03-04T05:06:07", 1.5],
    ]  # fmt: skip
    before = version.content_fingerprint
    # Asked again it is the same; the same answer changes no fingerprint.
    fetching.ask(version)
    fetching.fetch(version.pk)
    version.refresh_from_db()
    assert (version.status, version.content_fingerprint) == ("ready", before)


def test_nothing_is_written_by_a_query(store: Datastore) -> None:
    for sql in (
        "drop table t",
        "insert into t values (1)",
        "update t set a = 1",
        "delete from t",
        "call p()",
        "",
        "  ",
        "select 1; create table written (a int)",
        "select 1; commit; create table written (a int)",
        "select 1 /* ; */; commit",
        "select 1; -- the first\nselect 2",
        "select 1 /* /* */ ' */; commit; select ' */",
    ):
        with pytest.raises(StoreError, match="only read"):
            rows(store, sql)
    for sql in (
        "with x as (insert into written values (1) returning 1) select * from x",
        "select 1 into outfile '/tmp/written'",
        "select 1 into/**/outfile '/tmp/written'",
        f"select 1 /*!50000into outfile '/tmp/written' */{', x' if store.kind == 'postgresql' else ''}",
        "select 1 into written",
    ):
        with pytest.raises(StoreError):
            rows(store, sql)
    assert not [name for name in database_of(store).tables() if name.endswith(".written")]


def test_semicolons_in_texts_names_and_comments_are_none(store: Datastore) -> None:
    quote = '"' if store.kind == "postgresql" else "`"
    sql = f"-- one; it's\nselect 'a;''b;' as {quote}c;d{quote} /* two; it's */ ; -- three;"
    assert rows(store, sql) == [["a;'b;"]]
    escaped = "select e'a\\';' || $x$;'$$;$x$" if store.kind == "postgresql" else "select 'a\\';' # '; ;"
    assert rows(store, escaped) == [["a';;'$$;" if store.kind == "postgresql" else "a';"]]


def test_first_rows_have_a_bound_of_bytes(store: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.sql.MOST_BYTES", 1 << 20)
    assert len(first_rows(store, "select repeat('x', 500000) as a", 20, 20).read()) > 0
    with pytest.raises(StoreError, match=r"needs more than 1 MiB of memory"):
        first_rows(store, "select repeat('x', 2000000) as a", 20, 20)


def test_a_query_that_never_ends_is_ended(store: Datastore) -> None:
    slow = (
        "select pg_sleep(30)"
        if store.kind == "postgresql"
        else "select count(*) from information_schema.columns a, information_schema.columns b, information_schema.columns c"
    )
    with pytest.raises(StoreError, match="took longer than 1 second"):
        rows(store, slow, 1)
    if store.kind == "postgresql":
        second_row = (
            "select set_config('statement_timeout', '0', false), pg_sleep(n)::text from (values (0), (20)) t (n)"
        )
        with pytest.raises(StoreError, match="took longer than 1 second"):
            rows(store, second_row, 1)


def test_a_query_leaves_no_large_object(store: Datastore) -> None:
    if store.kind != "postgresql":
        pytest.skip("PostgreSQL alone has them")
    with contextlib.suppress(StoreError):  # from 16 on
        rows(store, "select lo_create(424242)")
    assert rows(store, "select count(*) from pg_largeobject_metadata where oid = 424242") == [[0]]


def test_what_a_query_cannot_be_is_told(store: Datastore, scenario: WorkspaceScenario) -> None:
    with pytest.raises(StoreError, match="refuses the query"):
        rows(store, "select nothing from nowhere")
    with pytest.raises(StoreError, match="two columns the name 'a'"):
        rows(store, "select 1 as a, 2 as a")
    with pytest.raises(StoreError, match="is a database"):
        scenario.put("a.txt", "x", "base") if store.kind == "nothing" else registration.stores.root_of(store)
    assert code(scenario.api.get("datastores/base/files/")) == (422, "store_failed")

    def saved(source: dict[str, Any], form: dict[str, Any] | None = None) -> Any:
        definition = {"sources": [source], "format": {"type": "parquet"} if form is None else form}
        return scenario.api.post("datasets/", {"name": "q", "kind": "tabular", "definition": definition})

    assert code(saved({"datastore": "base", "query": "select 1"}, {})) == (400, "bad_definition")
    assert code(saved({"datastore": "base", "query": "select 1", "seconds": 9999})) == (400, "bad_definition")
    assert code(saved({"datastore": "base", "query": "select 1", "path": "a"})) == (400, "bad_definition")
    assert code(saved({"datastore": "workspaceblobstore", "query": "select 1"}))[0] in (404, 422)


def test_wrong_sign_in_and_database_are_told(store: Datastore, scenario: WorkspaceScenario, mysql: StoreServer) -> None:
    def stage(options: dict[str, Any], credentials: dict[str, str]) -> str:
        with pytest.raises(StoreError) as caught:
            registration.register(scenario.context, "other", store.kind, {**store.options, **options}, credentials)
        return str(caught.value.facts["stage"])

    right = registration.stores.unsealed(store)
    assert stage({"database": "there_is_none"}, right) in ("container", "permission")
    assert stage({"port": "9"}, right) == "network"
    if store.kind == "mysql":
        assert stage({}, {"password": "wrong"}) == "sign_in"


def test_a_table_of_many_rows_comes_in_batches(store: Datastore) -> None:
    many = (
        "select g from generate_series(1, 25000) g order by g"
        if store.kind == "postgresql"
        else "select seq as g from seq_1_to_25000"
    )
    batches = list(database_of(store).query(many, 20))
    assert sum(each.num_rows for each in batches) == 25000 and max(each.num_rows for each in batches) == 10_000
    assert batches[-1].column(0)[-1].as_py() == 25000


def test_no_rows_are_a_table_too(store: Datastore) -> None:
    batches = list(
        database_of(store).query(
            "select 1 as a, 'x' as b where 1 = 0"
            if store.kind == "postgresql"
            else "select 1 as a, 'x' as b from dual where 1 = 0",
            20,
        )
    )
    assert [each.num_rows for each in batches] == [0] and batches[0].schema.names == ["a", "b"]
