"""One statement that only reads: what is refused before it is sent to a database that would do more. No database is asked here."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from core.errors import Invalid
from core.objects import StoreError
from datasets.kinds import KINDS, database, mysql, sqlserver
from datasets.kinds.base import Connection


@pytest.mark.parametrize(
    "sql",
    [
        "select 1; commit; drop table t",
        "select 1 commit drop table t",
        "select 1\ncommit",
        "select 1drop table t",
        "select 0xAupdate t set a = 1",
        "select 1eupdate t set a = 1",
        "select $1drop table t",
        "select 'a'drop table t",
        "select [a]delete from t",
        "select '\\'; drop table t; --'",
        "select 1 /* /* */ ' */ ; drop table t --'",
        "select 1 -- '\r drop table t --'",
        "select * into t from u",
        "with x as (select 1 as a) delete from x",
        "select * from openquery(other, 'delete from t')",
        "select 1 exec p",
        "select 1 begin tran",
        "select 1 as [a]]'] drop table t --'",
        "select 1 as [a]] /*] drop table t --*/",
        "select 1 add sensitivity classification to t.a with (label = 'x')",
        "select 1 end conversation @h",
        "select next\xa0value for s",
        "select 1 {call p}",
        "select next value for s",
        "exec p",
    ],
)
def test_sql_server_is_sent_nothing_that_does_more_than_read(sql: str) -> None:
    with pytest.raises(StoreError, match="only read"):
        sqlserver.require_reading("base", sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select 'drop; it''s' as [drop;], \"commit\" from t",
        "select [drop]];], next, value, case a when 1 then 2 end as [b] from t",
        "select top 5 a.b1, .5, 1.5e3, 1., 0xFF, $1 from dbo.t1 a where x1y = N'é' option (merge join, use hint('x'))",
        "with x as (select 1 as a) select a, case when a = 1 then 2 end from x order by a offset 0 rows fetch next 3 rows only",
        "(select updated, offset_1 from t) union all select a, b from u",
    ],
)
def test_sql_server_is_sent_what_only_reads(sql: str) -> None:
    assert sqlserver.require_reading("base", sql + " ;") == sql


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 -- x \r ' \n into outfile '/tmp/x' -- '",
        "select '\\' into outfile '/tmp/x' -- '",  # where a server's texts know no escapes
        "select 1 /*!50000into*/ dumpfile '/tmp/x'",
        "select 1 /*M!100000 */",
    ],
)
def test_mysql_is_sent_nothing_that_writes_files(sql: str) -> None:
    with pytest.raises(StoreError, match="only read"):
        mysql.require_reading("base", sql)


def test_a_text_with_escapes_may_double_its_quotes() -> None:
    sql = "select e'it''s \\'; x'"
    assert database.require_reading("base", sql, database.DOLLARS) == sql


def test_sql_server_is_sent_no_comments() -> None:
    assert sqlserver.require_reading("base", "/* a; */ select 1 -- drop\r\n, '--' x").split() == [
        "select",
        "1",
        ",",
        "'--'",
        "x",
    ]


def test_batches_are_as_long_as_their_rows_let_them() -> None:
    """Never many large rows at once, whose size is not known before they come."""

    def asked(size: int, most: int) -> Sequence[int]:
        counts, left = list[int](), most

        def fetch(count: int) -> list[list[str]]:
            nonlocal left
            counts.append(count)
            count = min(count, left)
            left -= count
            return [["x" * size]] * count

        assert sum(each.num_rows for each in database.batches("base", [pa.field("a", pa.string())], fetch)) == most
        return counts

    assert asked(1, 25_000)[:7] == [1, 8, 64, 512, 4096, 10_000, 10_000]
    assert set(asked(database.BYTES, 4)) == {1}
    assert max(asked(database.BYTES // 100, 500)) <= 100


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "sqlserver", "sftp"])
@pytest.mark.parametrize("port", ["0", "99999", "x", "-1"])
def test_a_port_that_is_none_is_refused(kind: str, port: str) -> None:
    options = {"host": "h", "port": port, "database": "d", "username": "u", "path": "/"}
    with pytest.raises(Invalid, match="port"):
        KINDS[kind].check(Connection("base", options, {"password": "p"}))
