"""How files become tables (docs/data.md): each rule by its own small files, read by the one reader."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest
from pyarrow import parquet

from duto import Dataset
from duto.data.tabular_reading import frame_of, read_local, source_of
from duto.exceptions import DatasetTimestampMissingError, UserErrorException
from duto.tables import Source, TableError, form_of, guess, read, survey
from duto.tables.partitions import values_of
from duto.tables.values import text_of

JSON = {"type": "json_lines"}
TIME = {"columns": {"d": "datetime"}}


def sources(files: Mapping[str, str | bytes]) -> list[Source]:
    facts = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    return [Source(name, len(data), lambda data=data: io.BytesIO(data)) for name, data in facts.items()]


def table(
    files: Mapping[str, str | bytes] | str, form: Any = None, operations: Sequence[Any] = (), on_error: str = "null"
) -> dict[str, list[Any]]:
    """The columns by name."""
    given = {"a.csv": files} if isinstance(files, str) else files
    found = read(sources(given), {"format": form or {}, "operations": operations}, on_error=on_error)
    rows = list(found.rows())
    return {column.name: [row[place] for row in rows] for place, column in enumerate(found.columns)}


def types(files: Mapping[str, str | bytes] | str, form: Any = None) -> list[tuple[str, str]]:
    given = {"a.csv": files} if isinstance(files, str) else files
    return [(each.name, each.type) for each in survey(sources(given), form_of(form or {}))]


@pytest.mark.parametrize(
    ("files", "form", "right"),
    [
        ("a,b\n1,2,\n3,4,,\n", {}, {"a": [1, 3], "b": [2, 4]}),
        ("a,b,\n1,2,\n", {}, {"a": [1], "b": [2], "Column3": [None]}),
        ("sep=;\r\na;b;c\r\n1;2;x\r\n", {"separator": ";"}, {"a": [1], "b": [2], "c": ["x"]}),
        ("sep=,\n1,2\n", {"header": False}, {"Column1": [1], "Column2": [2]}),
        ("a,b\nsep=,\n", {}, {"a": ["sep="], "b": [None]}),
        ("a,b\n1\n3,4\n", {}, {"a": [1, 3], "b": [None, 4]}),
        ("a,b\n1,2\n\n  \n3,4", {}, {"a": [1, 3], "b": [2, 4]}),
        ('a\n1\n""\n3\n', {}, {"a": [1, None, 3]}),
        ("a,a,a.1,,\n1,2,3,4,5\n", {}, {"a": [1], "a.2": [2], "a.1": [3], "Column4": [4], "Column5": [5]}),
        ("a\r1\r2\r", {}, {"a": [1, 2]}),
        ('a,b\n"x,\n""y""",5" nail\n', {}, {"a": ['x,\n"y"'], "b": ['5" nail']}),
        ('a||b\n1||2\n"x||y"||3|\n', {"separator": "||"}, {"a": ["1", "x||y"], "b": ["2", "3|"]}),
        ("a.*b\n1.*2\n", {"separator": ".*"}, {"a": [1], "b": [2]}),
        ("007,1\n0123,2\n", {"header": False, "columns": {"Column1": "string"}}, {"Column1": ["007", "0123"], "Column2": [1, 2]}),
        ({"1": "a,b\n1,2\n", "2": "3,4\n"}, {"header": "first"}, {"a": [1, 3], "b": [2, 4]}),
        ({"0": "", "1": "a,b\n1,2\n", "2": "3,4\n"}, {"header": "first"}, {"a": [1, 3], "b": [2, 4]}),
        ({"1": "a,b\n1,2\n", "2": "b,a\n20,10\n"}, {}, {"a": [1, 10], "b": [2, 20]}),
        ({"1": "a,b,c\n1,2,9\n", "2": "a,c,z\n3,5,7\n"}, {}, {"a": [1, 3], "b": [2, None], "c": [9, 5], "z": [None, 7]}),
        ({"1": "id\n001\n", "2": "id\nA3\n"}, {}, {"id": ["001", "A3"]}),
        ({"1": "1,2\n", "2": "3\n"}, {"header": False}, {"Column1": [1, 3], "Column2": [2, None]}),
        ({"x/CA/a.csv": "x\n1\n"}, {"partition_format": "/{state}/a.csv", "include_path": True}, {"Path": ["/x/CA/a.csv"], "x": [1], "state": ["CA"]}),
        ({"2021/3/a.csv": "x\n1\n"}, {"partition_format": "/{d:yyyy/MM}/*.csv"}, {"x": [1], "d": [datetime(2021, 3, 1)]}),
        ({"7/a.csv": "x\n1\n"}, {"partition_format": "/{y}/a.csv", "columns": {"y": "long"}}, {"x": [1], "y": [7]}),
        ({"a.csv": "x\n1\n", "a.txt": "y\n2\n"}, {"extension": ".csv"}, {"x": [1]}),
        ({"p/a.csv": "x\n1\n", "q/a.csv": "x\n2\n"}, {"glob": "/q/*.csv"}, {"x": [2]}),
        ({"a": b"\xef\xbb\xbfa\n1\n"}, {"encoding": "utf8bom"}, {"a": [1]}),
        ({"a": b"\xef\xbb\xbfa\n1\n", "b": b"a\n2\n"}, {}, {"a": [1, 2]}),
        ({"a": "é\nJosé\n".encode("utf-16")}, {"encoding": "UTF16"}, {"é": ["José"]}),
        ({"a": "a\nJosé\n".encode("latin-1")}, {"encoding": "iso88591"}, {"a": ["José"]}),
    ],
)  # fmt: skip
def test_delimited_text_is_read_as_it_stands(files: Any, form: Any, right: Any) -> None:
    assert table(files, form) == right


@pytest.mark.parametrize(
    ("text", "kind", "right"),
    [
        ("1\n+2\n -3 \n", "long", [1, 2, -3]),
        ("007\nNA\n8\n", "long", [7, None, 8]),
        ("9223372036854775807\n", "long", [2**63 - 1]),
        ("9223372036854775808\n1\n", "string", ["9223372036854775808", "1"]),
        ("9007199254740993\n1.5\n", "string", ["9007199254740993", "1.5"]),
        ("1\n2.5\n1e3\n.5\n", "float", [1.0, 2.5, 1000.0, 0.5]),
        ("inf\n-1.0\n", "float", [float("inf"), -1.0]),
        ("1_000\n2\n", "string", ["1_000", "2"]),
        ("1,5\n", "string", ["1,5"]),
        ("\u0661\n", "string", ["\u0661"]),
        ("true\nFALSE\nNA\n", "bool", [True, False, None]),
        ("true\n1\n", "string", ["true", "1"]),
        ("yes\nno\n", "string", ["yes", "no"]),
        ("NA\nDE\n", "string", ["NA", "DE"]),
        ("NULL\nNone\n", "string", ["NULL", "None"]),
        ('x\nNaN\n"  "\n""\n', "string", ["x", None, None, None]),
        ("2021-03-04\n2021-12-31 05:06\n", "datetime", [datetime(2021, 3, 4), datetime(2021, 12, 31, 5, 6)]),
        ("2021-03-04T05:06:07.5+01:00\nNA\n", "datetime", [datetime(2021, 3, 4, 4, 6, 7, 500_000), None]),
        ("2021-02-30\n", "string", ["2021-02-30"]),
        ("03/04/2021\n", "string", ["03/04/2021"]),
        ("20210304\n", "long", [20210304]),
        ("2021-03-04\n7\n", "string", ["2021-03-04", "7"]),
    ],
)
def test_a_type_is_one_that_every_value_has(text: str, kind: str, right: list[Any]) -> None:
    whole = "v|w\n" + "".join(f"{line}|\n" for line in text.splitlines())
    form = {"separator": "|"}
    assert dict(types(whole, form))["v"] == kind
    assert table(whole, form)["v"] == right


def test_the_last_value_of_the_last_file_counts_for_the_type() -> None:
    files = {"1": "v\n" + "1\n" * 30_000, "2": "v\n" + "2\n" * 7000 + "A3\n"}
    assert types(files) == [("v", "string")]
    assert table(files)["v"][-2:] == ["2", "A3"]


@pytest.mark.parametrize(
    ("values", "right"),
    [
        (["2021-03-04T10:00:00.123", "2021-03-05T10:00:00"], [datetime(2021, 3, 4, 10, 0, 0, 123_000), datetime(2021, 3, 5, 10)]),
        (["2021-03-04", "2021-03-05 10:00", "20210306"], [datetime(2021, 3, 4), datetime(2021, 3, 5, 10), datetime(2021, 3, 6)]),
        (["03/04/2021", "25/12/2021"], [datetime(2021, 4, 3), datetime(2021, 12, 25)]),
        (["03/04/2021", "12/25/2021"], [datetime(2021, 3, 4), datetime(2021, 12, 25)]),
        (["03/04/2021"], [datetime(2021, 3, 4)]),
        (["03/04/2021", "12/25/2021", "25/12/2021"], [None, datetime(2021, 12, 25), datetime(2021, 12, 25)]),
        (["3.4.2021", "31.12.2021 5:06 PM"], [datetime(2021, 4, 3), datetime(2021, 12, 31, 17, 6)]),
        (["4 Mar 2021", "March 5, 2021", "Sat, 06 Mar 2021 07:08:09 GMT"], [datetime(2021, 3, 4), datetime(2021, 3, 5), datetime(2021, 3, 6, 7, 8, 9)]),
        (["2021-03-04T05:06:07+01:00", "2021-07-04T05:06:07+0200", "2021-07-04T05:06:07Z"], [datetime(2021, 3, 4, 4, 6, 7), datetime(2021, 7, 4, 3, 6, 7), datetime(2021, 7, 4, 5, 6, 7)]),
        (["soon", "NA", "2021-13-01", "0001-01-01T00:00:00+01:00"], [None] * 4),
    ],
)  # fmt: skip
def test_declared_times_are_read_as_they_are_written(values: list[str], right: list[Any]) -> None:
    text = "d;x\n" + "".join(f'"{each}";\n' for each in values)
    assert table(text, {**TIME, "separator": ";"})["d"] == right


@pytest.mark.parametrize(
    ("text", "wanted", "right"),
    [
        ("1,5\n-0,25\n1.5\n", {"type": "float", "decimal": ","}, [1.5, -0.25, None]),
        ("1\n2.7\n2.0\n1e2\nx\n", "long", [1, None, 2, 100, None]),
        ("9223372036854775808\n1e400\n1e-400\n", "long", [None, None, None]),
        ("yes\n0\nTRUE\nmaybe\n", "bool", [True, False, True, None]),
        ("007\nNA\nNaN\n", "string", ["007", "NA", "NaN"]),
        ("31.12.2021\n1.1.22\n", {"type": "datetime", "formats": ["%d.%m.%Y", "%d.%m.%y"]}, [datetime(2021, 12, 31), datetime(2022, 1, 1)]),
        ("31.12.2021 +0100\n", {"type": "datetime", "formats": ["%d.%m.%Y %z"]}, [datetime(2021, 12, 30, 23)]),
    ],
)  # fmt: skip
def test_a_declared_type_wins_and_what_does_not_fit_is_null_or_an_error(
    text: str, wanted: Any, right: list[Any]
) -> None:
    whole = "v;w\n" + "".join(f"{line};\n" for line in text.splitlines())
    form = {"separator": ";", "columns": {"v": wanted, "nowhere": "long"}}
    assert table(whole, form)["v"] == right
    if None in right:
        with pytest.raises(TableError, match="in column 'v'"):
            table(whole, form, on_error="fail")


@pytest.mark.parametrize(
    ("text", "right", "kinds"),
    [
        ('{"zip":"007","big":"12345678901234567890"}', {"zip": ["007"], "big": ["12345678901234567890"]}, ["string", "string"]),
        ('{"created_at":1700000000,"date":"2021-03-04"}', {"created_at": [1700000000], "date": ["2021-03-04"]}, ["long", "string"]),
        ('{"t":true}\n{"t":null}\n{}', {"t": [True, None, None]}, ["bool"]),
        ('{"a":1}\n{"b":2.5,"a":3}', {"a": [1, 3], "b": [None, 2.5]}, ["long", "float"]),
        ('{"n":1}\n{"n":2.5}', {"n": [1.0, 2.5]}, ["float"]),
        ('{"n":9007199254740993}\n{"n":2.5}', {"n": ["9007199254740993", "2.5"]}, ["string"]),
        ('{"n":12345678901234567890}', {"n": ["12345678901234567890"]}, ["string"]),
        ('{"n":1}\n{"n":"x"}\n{"n":true}\n{"n":[1,{"a":"é"}]}', {"n": ["1", "x", "true", '[1,{"a":"é"}]']}, ["string"]),
        ('{"n":NaN}\n{"n":1.5}', {"n": [None, 1.5]}, ["float"]),
        ('{"s":"\\ud800x"}', {"s": ["\ufffdx"]}, ["string"]),
        ('\ufeff{"s":""}\n\n', {"s": [""]}, ["string"]),
    ],
)  # fmt: skip
def test_values_of_json_keep_their_types(text: str, right: Any, kinds: list[str]) -> None:
    assert table(text, JSON) == right
    assert [kind for _, kind in types(text, JSON)] == kinds


def test_lines_that_are_no_objects_are_told_or_dropped() -> None:
    text = '{"a":1}\n{bad\n[1]\n' + "[" * 100_000 + '\n{"a":' + "9" * 5000 + '}\n{"a":2}\n'
    assert table(text, {**JSON, "invalid_lines": "drop"}) == {"a": [1, 2]}
    with pytest.raises(TableError, match=r"in 'a\.csv', line 2 is no JSON object"):
        table(text, JSON)
    with pytest.raises(UserErrorException, match="invalid_lines"):
        Dataset.Tabular.from_json_lines_files("https://example.com/a", invalid_lines="skip")


def stored(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def test_parquet_gives_its_types_and_times_in_utc() -> None:
    moment = datetime(2021, 3, 4, 1, tzinfo=UTC)
    data = stored(
        utc=pyarrow.array([moment, None], pyarrow.timestamp("us", "UTC")),
        berlin=pyarrow.array([moment, None], pyarrow.timestamp("ns", "Europe/Berlin")),
        naive=pyarrow.array([datetime(2021, 3, 4), None], pyarrow.timestamp("s")),
        day=[date(2021, 3, 4), None],
        word=pyarrow.array(["x", None]).dictionary_encode(),
        many=[[1, 2], None],
        exact=pyarrow.array([12, None], pyarrow.decimal128(30, 2)),
        small=pyarrow.array([1, None], pyarrow.uint8()),
    )
    at = datetime(2021, 3, 4, 1)
    assert table({"a": data}, {"type": "parquet"}) == {
        "utc": [at, None], "berlin": [at, None], "naive": [datetime(2021, 3, 4), None],
        "day": [datetime(2021, 3, 4), None], "word": ["x", None], "many": ["[1,2]", None], "exact": ["12.00", None],
        "small": [1, None],
    }  # fmt: skip


def test_parquet_columns_of_one_name_are_all_read() -> None:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_arrays([[1], ["x"], [2.5]], ["a", "a", "a.1"]), buffer)
    assert types({"a": buffer.getvalue()}, {"type": "parquet"}) == [("a", "long"), ("a.2", "string"), ("a.1", "float")]
    assert table({"a": buffer.getvalue()}, {"type": "parquet"}) == {"a": [1], "a.2": ["x"], "a.1": [2.5]}


def test_parquet_files_of_several_schemas_are_one_table() -> None:
    files = {"1": stored(a=[1], b=["x"]), "2": stored(b=[7], c=[True], a=[2.5])}
    assert table(files, {"type": "parquet"}) == {"a": [1.0, 2.5], "b": ["x", "7"], "c": [None, True]}
    huge = stored(u=pyarrow.array([2**63], pyarrow.uint64()))
    with pytest.raises(TableError, match="beyond 64 bits; declare the column as string"):
        table({"a": huge}, {"type": "parquet"})
    assert table({"a": huge}, {"type": "parquet", "columns": {"u": "string"}}) == {"u": [str(2**63)]}
    with pytest.raises(TableError, match="there is no Parquet table"):
        table("a,b\n", {"type": "parquet"})


@pytest.mark.parametrize(
    ("files", "form", "said"),
    [
        ("a,b\n1,2\n1,2,3,4\n", {}, "line 3 has 4 values, but the table has 2 columns"),
        ("a,b\n" + "1,2\n" * 6000 + "1,2,3\n", {}, "line 6002 has 3 values"),
        ('a,b\n1,"x\n2,y\n', {}, "the quote in line 2 is never closed"),
        ('a,b\n1,"x" y\n', {}, "more text in line 2"),
        ("a\n" + "1\n" * 9 + "\0\n", {}, "NUL byte in line 11"),
        ({"a": b"a\n1\n\xff\n"}, {}, "line 3 is not utf8"),
        ({"a": "a\n1\n".encode("utf-16")}, {}, "looks like utf-16"),
        ("", {}, "empty"),
        ({"1": "", "2": " \n"}, {}, "all 2 files are empty"),
        ("<html><body>", {}, "is a web page"),
        ("a\n1\n", {"partition_format": "/{x}/{y}/b.csv"}, "the path is not of the partition format"),
        ({"2021/3/a.csv": "x\n1\n", "b.csv": "x\n2\n"}, {"partition_format": "/{d:yyyy/MM}/*.csv"}, "1 of 2 paths are not of the partition format"),
        ("x,state\n1,2\n", {"partition_format": "/{state}.csv"}, "a column 'state' of their own"),
        ("a\n1\n", {"extension": ".txt"}, "there is no file to read"),
        ("sep=;\na;b\n1;2;3\n", {"separator": ";"}, "the row of line 3 has 3 values"),
        ('{"a":1}\n{"a":1\n', JSON, "line 2 is no JSON object: Expecting ',' delimiter at character 8"),
        ("a\ufdd0\n1\n", {"separator": "||"}, "U\\+FDD0"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_with_its_place(files: Any, form: Any, said: str) -> None:
    with pytest.raises(TableError, match=said):
        table(files, form)


def test_operations_are_done_over_all_files_in_their_order() -> None:
    files = {
        "1": "a,b\n" + "".join(f"{n},x\n" for n in range(8000)),
        "2": "b,a\n" + "".join(f"y,{n}\n" for n in range(5)),
    }
    skip = [{"op": "skip", "count": 7999}, {"op": "take", "count": 3}, {"op": "keep_columns", "columns": ["b", "a"]}]
    assert table(files, {}, skip) == {"b": ["x", "y", "y"], "a": [7999, 0, 1]}
    parts = [table(files, {}, [{"op": "random_split", "percentage": 0.3, "seed": 7, "part": part}]) for part in (0, 1)]
    assert sorted([*parts[0]["a"], *parts[1]["a"]]) == sorted(table(files)["a"])
    with pytest.raises(TableError, match="there is no column z; there are: a, b"):
        table(files, {}, [{"op": "drop_columns", "columns": ["z"]}])


@pytest.mark.parametrize("text", ["2021-03-{:02}", "2021-03-{:02}T00:00:00Z", "2021-03-{:02}T01:00:00+01:00"])
@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=1))])
@pytest.mark.parametrize("is_inferred", [True, False])
def test_times_with_and_without_a_zone_compare_in_utc(text: str, zone: Any, is_inferred: bool) -> None:
    bound = datetime(2021, 3, 5, tzinfo=UTC).astimezone(zone) if zone else datetime(2021, 3, 5)
    data = "d,x\n" + "".join(f"{text.format(day)},{day}\n" for day in range(1, 10)) + ",0\n"
    made = Dataset.Tabular.from_delimited_files("https://example.com/a.csv").with_timestamp_columns("d")

    def days(chosen: Any) -> list[int]:
        return table(data, {"infer": is_inferred, "columns": {"x": "long"}}, chosen._definition["operations"])["x"]

    assert days(made.time_before(bound)) == [1, 2, 3, 4, 5]
    assert days(made.time_before(bound, include_boundary=False)) == [1, 2, 3, 4]
    assert days(made.time_after(bound)) == [5, 6, 7, 8, 9]
    assert days(made.time_between(bound, bound + timedelta(days=2), include_boundary=False)) == [6]
    assert days(made.time_recent(timedelta(days=1))) == []


def test_a_time_column_that_was_dropped_is_none() -> None:
    made = Dataset.Tabular.from_delimited_files("https://example.com/a.csv").with_timestamp_columns("t", "d")
    assert made.timestamp_columns == ("t", "d") and made.keep_columns(["t", "x"]).timestamp_columns == ("t", None)
    noon = datetime(2021, 3, 4, 12)
    data = "t,d,x\n2021-03-04T10:00,2021-03-05,1\n2021-03-05T10:00,2021-03-04,2\n"

    def left(chosen: Any) -> list[int]:
        return table(data, None, chosen._definition["operations"])["x"]

    assert left(made.time_before(noon)) == [1] == left(made.drop_columns("d").time_before(noon))
    assert left(made.drop_columns("t").time_before(noon)) == [2], "the partition's column serves alone"
    assert left(made.time_before(noon).drop_columns(["t", "d"])) == [1]
    assert left(made.drop_columns("t").with_timestamp_columns("d").time_after(noon)) == [1]
    for gone in (
        made.drop_columns(["t", "d"]),
        made.keep_columns("x"),
        made.drop_columns("d").keep_columns(["x", "d"]),
    ):
        assert gone.timestamp_columns == (None, None)
        for action in (
            lambda gone=gone: gone.time_before(noon),
            lambda gone=gone: gone.time_after(noon),
            lambda gone=gone: gone.time_between(noon, noon),
            lambda gone=gone: gone.time_recent(timedelta(days=1)),
        ):
            with pytest.raises(DatasetTimestampMissingError, match="was dropped"):
                action()
    with pytest.raises(DatasetTimestampMissingError, match="with_timestamp_columns"):
        Dataset.Tabular.from_delimited_files("https://example.com/a.csv").time_after(noon)
    for unfit in ("2021-03-04", 7, noon.date()):
        with pytest.raises(UserErrorException, match="A time is a datetime"):
            made.time_before(unfit)


def frame(files: Mapping[str, str | bytes], form: Any = None, out_of_range: str = "null") -> Any:
    return frame_of(pandas, read(sources(files), {"format": form or {}}), out_of_range)


def test_a_frame_changes_no_value() -> None:
    made = frame({"a": 'n,m,t,s,d\n1,9007199254740993,true,x,2021-03-04\n"",,,,\n3,1,false,y,2021-03-05\n'})
    assert [str(each) for each in made.dtypes] == ["float64", "object", "object", "object", "datetime64[ns]"]
    assert made["m"].tolist() == [9007199254740993, None, 1] and made["t"].tolist() == [True, None, False]
    whole = frame({"a": "n,f,t\n1,1.5,true\n2,2.5,false\n"})
    assert [str(each) for each in whole.dtypes] == ["int64", "float64", "bool"]
    assert frame({"a": "a,b\n"}).shape == (0, 2)
    with pytest.raises(TableError, match="outside of the years"):
        frame({"a": "d\n0900-01-01\n"}, out_of_range="fail")
    assert frame({"a": "d\n0900-01-01\n"})["d"].isna().all()


def test_files_beside_the_script_are_read_like_those_of_the_studio(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b.csv").write_text("zip,flag\n007,true\n")
    (tmp_path / "b/[1].csv").write_text("flag,zip\nfalse,0123\n")
    files = [source_of(name, tmp_path / name) for name in ("b.csv", "b/[1].csv")]
    made = read_local(files, {"format": {"infer": False, "include_path": True}})
    assert made.to_dict("list") == {"Path": ["/b.csv", "/b/[1].csv"], "zip": ["007", "0123"], "flag": ["true", "false"]}
    with pytest.raises(UserErrorException, match="on_error is 'null' or 'fail'"):
        read_local(files, {}, on_error="ignore")


def test_an_output_read_as_rows_stays_text_unless_types_are_named(tmp_path: Path) -> None:
    from duto.data.local_tabular import LocalTabularDataset
    from duto.data.output_config import OutputFileDatasetConfig
    from duto.data.pipeline_data import PipelineData

    (tmp_path / "a.csv").write_text("zip,n\n007,1\n")
    (tmp_path / "a.txt").write_text("other\n")
    config = OutputFileDatasetConfig("out").read_delimited_files(path_glob="*.csv", set_column_types={"n": "long"})
    parsed = PipelineData("out").as_dataset().parse_delimited_files(file_extension=".csv")
    for definition, right in ((config._definition, 1), (parsed._definition, "1")):
        made = LocalTabularDataset._of(definition, None)
        made.path = str(tmp_path)
        assert made.to_pandas_dataframe().to_dict("list") == {"zip": ["007"], "n": [right]}


@pytest.mark.parametrize(
    ("form", "path", "right"),
    [
        ("/{state}/{date:yyyy/MM/dd}/data.csv", "x/CA/2021/03/04/data.csv", {"state": "CA", "date": datetime(2021, 3, 4)}),
        ("/{d:yyyy-MM}/{e:dd}/x", "2021-03/7/x", {"d": datetime(2021, 3, 1), "e": datetime(1900, 1, 7)}),
        ("/{d:yyyy}/{d:MM}/x", "2021/3/x", {"d": datetime(2021, 3, 1)}),
        ("/{a}_{b}/*.csv", "z/1_2_3/x.csv", {"a": "1_2", "b": "3"}),
        ("{a}.csv", "dir/k.csv", {"a": "k"}),
        ("/{d:yyyy-MM}/x", "2021-13/x", None),
        ("/{a}/{b}/x", "only/x", None),
        ("/a.{b}/x", "aXb/x", None),
    ],
)  # fmt: skip
def test_pieces_of_paths_become_columns(form: str, path: str, right: Any) -> None:
    assert values_of(form, path) == right


def test_a_format_of_paths_cannot_be_made_to_take_long() -> None:
    form = "/" + "{a}-" * 1 + "".join("{" + f"a{n}" + "}*" for n in range(30)) + "b.csv"
    assert values_of(form, "-" * 240 + ".csv") is None


def test_a_wide_and_a_long_table_are_read_in_batches() -> None:
    wide = ",".join(f"c{n}" for n in range(10_000)) + "\n" + (",".join("1" * 10_000) + "\n") * 5
    found = read(sources({"a": wide}), {})
    assert [(len(columns), size) for columns, size in found.batches] == [(10_000, 5)]
    long = "a,b\n" + "1,x\n" * 20_000
    assert max(size for _, size in read(sources({"a": long}), {}).batches) <= 5000


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (",".join(f"c{n}" for n in range(100_001)) + "\n1\n", {}),
        (",".join(f"c{n}" for n in range(100_001)) + "\n1\n", {"infer": False}),
        (",".join("x" * 30_000 + str(n) for n in range(80)) + "\n1\n", {}),
        ("{" + ",".join(f'"c{n}": 1' for n in range(100_001)) + "}", JSON),
    ],
)  # fmt: skip
def test_what_a_table_is_known_by_has_a_limit(data: str, form: Any) -> None:
    with pytest.raises(TableError, match=r"100000 columns|names of its columns"):
        survey(sources({"a": data}), form_of(form))


def test_a_batch_ends_where_its_text_is_long() -> None:
    long = "a\n" + ("x" * (1 << 20) + "\n") * 40
    assert max(size for _, size in read(sources({"a": long}), {}).batches) <= 17
    lines = ('{"a":"' + "x" * (1 << 20) + '"}\n') * 40
    assert max(size for _, size in read(sources({"a": lines}), {"format": JSON}).batches) <= 17


def test_binary_values_never_look_like_one_another() -> None:
    given = [b"plain", "ç".encode(), b"\xff\x00", b"/wA=", b"base64:/wA=", b""]
    texts = [text_of(each) for each in given]
    assert texts == ["plain", "ç", "base64:/wA=", "/wA=", "base64:YmFzZTY0Oi93QT0=", ""]


def test_a_decimal_comma_of_the_whole_table_is_found_and_declared() -> None:
    text = "a;b;c;d\n1,5;1.000;1.234,5;1\n-2;2.000;7;3\n"
    source = Source("t.csv", len(text), lambda: io.BytesIO(text.encode()))
    table = read([source], {"format": {"separator": ";", "decimal": ","}})
    assert [(each.name, each.type) for each in table.columns] == [
        ("a", "float"), ("b", "string"), ("c", "float"), ("d", "long"),
    ]  # fmt: skip
    assert list(table.rows()) == [(1.5, "1.000", 1234.5, 1), (-2.0, "2.000", 7.0, 3)]
    declared = {"separator": ";", "decimal": ",", "columns": {"b": "float", "c": "long"}}
    misfits: dict[str, int] = {}
    assert [row[1:3] for row in read([source], {"format": declared}, misfits=misfits).rows()] == [
        (1000.0, None), (2000.0, 7),
    ]  # fmt: skip
    assert misfits == {"c": 1}


GUESSES = {
    "comma.csv": (b"a,b\n1,x\n", {"separator": ",", "header": True}),
    "german.csv": ("a;b\n1,5;\u00e9\n".encode("latin-1"), {"separator": ";", "header": True, "encoding": "windows1252", "decimal": ","}),
    "control.csv": (b"a;b\n1;\x81\xe9\n", {"separator": ";", "header": True, "encoding": "latin1"}),
    "tab.txt": (b"a\tb\n1\t2,5\n", {"separator": "\t", "header": True, "decimal": ","}),
    "no header.csv": (b"1|x\n2|y\n", {"separator": "|", "header": False}),
    "names only.csv": (b"a,b,c\n", {"separator": ",", "header": True}),
    "sentences.txt": (b"words\nthis is one\nthat is two\n", {"separator": ",", "header": True}),
    "quoted.csv": (b'a,b\n"x;y;\nz",2\n', {"separator": ",", "header": True}),
    "long rows.csv": (b"a,b\n1,2\n3,4,5\n", {"separator": ",", "header": True}),
    "ended rows.csv": (b"a,b\n1,2,\n3,4,\n", {"separator": ",", "header": True}),
    "excel.csv": (b"sep=;\r\na;b;c\r\n1;2,5;x\r\n", {"separator": ";", "header": True, "decimal": ","}),
    "excel16.csv": ("sep=;\r\n1;2;3\r\n".encode("utf-16"), {"separator": ";", "header": False, "encoding": "utf-16"}),
    "utf16.csv": ("a;b\n1;2\n".encode("utf-16"), {"separator": ";", "header": True, "encoding": "utf-16"}),
    "no mark.csv": ("a;b\n1;2\n".encode("utf-16-le"), {"separator": ";", "header": True, "encoding": "utf-16-le"}),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSES)
def test_how_a_text_is_read_is_guessed(name: str) -> None:
    data, wanted = GUESSES[name]
    assert guess([Source(name, len(data), lambda: io.BytesIO(data))]) == {"type": "delimited", **wanted}


def test_an_encoding_is_guessed_from_all_of_the_text_and_all_files() -> None:
    def source(name: str, data: bytes) -> Source:
        return Source(name, len(data), lambda: io.BytesIO(data))

    late = source("late.csv", b"a\n" + b"x\n" * 2_000_000 + b"\xe9\n")
    assert guess([source("plain.csv", b"a\nx\n"), late])["encoding"] == "windows1252"
    # Whichever is chosen, one of these would be read wrongly: reading says which line is not UTF-8.
    assert "encoding" not in guess([source("utf8.csv", "a\n\u00e9\n".encode()), source("other.csv", b"a\n\xe9\n")])


def test_what_is_said_is_not_guessed_and_other_formats_are_known() -> None:
    def of(name: str, data: bytes, **given: object) -> dict[str, object]:
        return guess([Source(name, len(data), lambda: io.BytesIO(data))], given)

    assert of("a.csv", b"a;b\n1,5;2\n", separator=",", decimal=".")["separator"] == ","
    assert of("a.txt", b'{"a": 1}\n{"b": 2}\n') == {"type": "json_lines"}
    assert of("a.json", b"[1, 2]") == {"type": "json_lines"}
    assert of("a.parquet", b"PAR1\0") == {"type": "parquet"}
    assert of("empty.csv", b"") == {"type": "delimited", "separator": ",", "header": True}


@pytest.mark.parametrize(
    ("form", "path", "year"),
    [
        ("sales/{year}/data.csv", "/2019/data.csv", "2019"),
        ("/shop/sales/{year}/data.csv", "2019/data.csv", "2019"),
        ("shop/sales/{year}/data.csv", "sales/2019/data.csv", "2019"),
        ("sales/{year}/data.csv", "costs/2019/data.csv", None),  # a folder that the path tells is another one
        ("sales/{year}/data.csv", "2019/other.csv", None),
        ("{kind}/{year}/data.csv", "2019/data.csv", None),
    ],
)
def test_folders_above_the_datasets_own_may_begin_a_partition_format(form: str, path: str, year: str | None) -> None:
    found = values_of(form, path)
    assert (found["year"] if found else None) == year


def test_a_frame_of_dask_has_the_rows_and_without_dask_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from duto.data.local_tabular import LocalTabularDataset
    from duto.data.output_config import OutputFileDatasetConfig

    (tmp_path / "a.csv").write_text("zip,n\n007,1\n010,\n")
    config = OutputFileDatasetConfig("out").read_delimited_files(set_column_types={"n": "long"})
    made = LocalTabularDataset._of(config._definition, None)
    made.path = str(tmp_path)
    found = made.to_dask_dataframe()
    assert type(found).__module__.startswith("dask") and found.compute()["zip"].tolist() == ["007", "010"]
    assert found["n"].sum().compute() == 1 and made.to_dask_dataframe(dtypes={"n": "Int64"}).dtypes["n"] == "Int64"
    monkeypatch.setitem(sys.modules, "dask.dataframe", None)
    with pytest.raises(UserErrorException, match=r"pip install 'dask\[dataframe\]'"):
        made.to_dask_dataframe()


class Endless(io.RawIOBase):
    """Five GiB without the end of a line, which nobody keeps."""

    def __init__(self) -> None:
        self.place, self.most = 0, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        self.place = place
        return place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), (5 << 30) - self.place)
        buffer[:count] = b"a" * count
        self.place += count
        self.most = max(self.most, self.place)
        return count


@pytest.mark.parametrize("form", [{}, JSON, {"separator": "||"}])
def test_a_file_that_is_one_line_is_refused_before_it_is_in_memory(form: dict[str, Any]) -> None:
    endless = Endless()
    source = Source("log.csv", 5 << 30, lambda: io.BufferedReader(endless))
    with pytest.raises(TableError, match=r"'log\.csv'.*line 1 is longer than 128 MiB"):
        list(read([source], {"format": form}).rows())
    assert endless.most < 160 << 20
    assert guess([Source("log.csv", 5 << 30, lambda: io.BufferedReader(Endless()))])["type"] == "delimited"
