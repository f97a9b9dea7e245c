"""Conditions on rows and files: what they are true of, held to pandas' own three truths."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duto import Dataset
from duto.data.expressions import Expression
from duto.exceptions import UserErrorException
from duto.spec import conditions
from duto.tables import TableError
from tests.sdk.test_tables import table

NUMBERS = st.one_of(st.none(), st.integers(-3, 3))
FRAMES = st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from([None, "a", "ab", "b"])), min_size=1, max_size=6)


class Beside:
    """An expression, and the same of a frame of pandas with types that know what is missing."""

    def __init__(self, ours: Any, theirs: Any) -> None:
        # Texts of pandas answer by a type of their own, which cannot be joined with that of numbers.
        self.ours, self.theirs = (
            ours,
            theirs.astype("boolean") if "bool" in str(getattr(theirs, "dtype", "")) else theirs,
        )


def beside(frame: pandas.DataFrame) -> st.SearchStrategy[Beside]:
    columns = st.sampled_from(["x", "y"]).map(lambda name: Beside(Expression({"column": name}), frame[name]))
    plain = st.integers(-3, 3).map(lambda each: Beside(each, each))
    sums = st.tuples(columns, st.one_of(columns, plain), st.sampled_from(["__add__", "__sub__", "__mul__"])).map(
        lambda each: Beside(
            getattr(each[0].ours, each[2])(each[1].ours), getattr(each[0].theirs, each[2])(each[1].theirs)
        )
    )
    compared = st.tuples(
        st.one_of(columns, sums), st.one_of(columns, plain),
        st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]),
    ).map(lambda each: Beside(getattr(each[0].ours, each[2])(each[1].ours), getattr(each[0].theirs, each[2])(each[1].theirs)))  # fmt: skip
    text, of_frame = Expression({"column": "z"}), frame["z"]
    others = st.sampled_from([
        Beside(text.starts_with("a"), of_frame.str.startswith("a")), Beside(text.contains("b"), of_frame.str.contains("b")),
        Beside(text.ends_with("b"), of_frame.str.endswith("b")), Beside(text == "a", of_frame == "a"),
        Beside(text.is_null(), of_frame.isna()), Beside(text != None, of_frame.notna()),  # noqa: E711
    ])  # fmt: skip
    return st.recursive(
        st.one_of(compared, others),
        lambda inner: st.one_of(
            inner.map(lambda each: Beside(~each.ours, ~each.theirs)),
            st.tuples(inner, inner).map(lambda two: Beside(two[0].ours & two[1].ours, two[0].theirs & two[1].theirs)),
            st.tuples(inner, inner).map(lambda two: Beside(two[0].ours | two[1].ours, two[0].theirs | two[1].theirs)),
        ),
        max_leaves=6,
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_condition_is_true_of_what_it_is_true_of_in_pandas(data: st.DataObject) -> None:
    rows = data.draw(FRAMES)
    frame = pandas.DataFrame(rows, columns=["x", "y", "z"]).astype({"x": "Int64", "y": "Int64", "z": "string"})
    drawn = data.draw(beside(frame))
    document = drawn.ours._document
    columns = {name: [row[place] for row in rows] for place, name in enumerate("xyz")}
    assert conditions.problem(document) is None
    conditions.check(document, {"x": "long", "y": "long", "z": "string"})
    kept = conditions.chosen(document, columns.__getitem__, datetime.fromisoformat, len(rows))
    assert kept == [place for place, each in enumerate(drawn.theirs) if each is not pandas.NA and bool(each)], document


CSV = "age,name,at,ok\n20,Ana,2021-03-04T00:00:00Z,true\n30,Bo,2021-03-05T12:00:00Z,false\n,Cy,,true\n"
T = Dataset.Tabular.from_delimited_files("https://example.org/t.csv")


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (T["age"] > 20, ["Bo"]),
        (T["age"] >= numpy.int64(20), ["Ana", "Bo"]),
        (T["age"] > 20, ["Bo"]),
        (T["age"] != 20, ["Bo"]),
        (T["age"] == None, ["Cy"]),  # noqa: E711
        (~T["age"].is_null(), ["Ana", "Bo"]),
        ((T["age"] / 0 > 1) | (T["name"] == "Cy"), ["Cy"]),
        ((100 - T["age"]) // 7 % 2 == 0, ["Bo"]),
        (T["at"] > datetime(2021, 3, 4, 12), ["Bo"]),
        (T["at"] <= datetime(2021, 3, 4, tzinfo=UTC), ["Ana"]),
        (T["ok"], ["Ana", "Cy"]),
        ((T["ok"] == False) | T["name"].ends_with("y"), ["Bo", "Cy"]),  # noqa: E712
        (T["name"] < "B", ["Ana"]),
    ],
)
def test_rows_are_chosen(condition: Expression, names: list[str]) -> None:
    operation = T.filter(condition)._definition["operations"][0]
    assert table(CSV, operations=[operation])["name"] == names, str(condition)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (T["age"] > "20", "compares 'age' (long) with ''20'' (string) by >"),
        (T["ok"] < True, "compares 'ok' (bool)"),
        (T["age"] < None, "(null) by <"),
        (T["at"] > "2021-03-04", "(datetime)"),
        (T["age"] + 1, "'age + 1' is no condition"),
        (T["name"] + 1 == 2, "+ in a condition is about numbers, and 'name' is none (string)"),
        (T["age"].contains("2"), "about texts, and 'age' is none (long)"),
        (T["ok"] & T["age"], "joins conditions, and 'age' is none (long)"),
        (T["aeg"] > 1, "no column aeg; there are: age, name, at, ok"),
    ],
)
def test_what_says_nothing_about_the_columns_is_refused(condition: Expression, why: str) -> None:
    with pytest.raises(TableError) as caught:
        table(CSV, operations=T.filter(condition)._definition["operations"])
    assert why in str(caught.value)


def test_python_itself_cannot_join_conditions() -> None:
    with pytest.raises(UserErrorException, match=r"join conditions by & and \|"):
        (T["age"] > 1) and (T["age"] < 3)  # type: ignore[unused-ignore]
    with pytest.raises(UserErrorException, match="neither true nor false"):
        1 < T["age"] < 3  # noqa: B015
    with pytest.raises(UserErrorException, match="takes a condition on columns"):
        T.filter("age > 3")  # type: ignore[arg-type]
    with pytest.raises(UserErrorException, match="not with \\[1, 2\\]"):
        T["age"] == [1, 2]  # noqa: B015
    with pytest.raises(UserErrorException, match="is_null"):
        T["age"] == numpy.float64("nan")  # noqa: B015


def test_several_columns_are_a_dataset_of_them() -> None:
    assert table(CSV, operations=T[["ok", "age"]]._definition["operations"]) == {
        "ok": [True, False, True],
        "age": [20, 30, None],
    }


def test_a_long_chain_is_flat_and_a_deep_one_refused() -> None:
    chain = T["age"] == 0
    for number in range(400):
        chain = chain | (T["age"] == number)
    assert conditions.problem(chain._document) == "a condition has 1000 parts at most, 50 deep"
    chain = T["age"] == 0
    for number in range(300):
        chain = chain | (T["age"] == number)
    assert conditions.problem(chain._document) is None
    deep = T["age"]
    for _ in range(60):
        deep = deep + 1
    assert conditions.problem((deep > 1)._document) == "a condition has 1000 parts at most, 50 deep"


@pytest.mark.parametrize(
    "bad",
    [
        None, [], {}, {"column": 3}, {"column": "a", "value": 1}, {"value": {}}, {"value": [1]}, {"op": "exec", "of": []},
        {"op": "and", "of": [{"value": True}]}, {"op": "not", "of": [{"value": True}, {"value": True}]}, {"op": "eq"},
        {"op": ["eq"], "of": []}, {"op": "eq", "of": {"a": 1, "b": 2}}, {"time": 3},
    ],
)  # fmt: skip
def test_what_is_no_document_is_told(bad: Any) -> None:
    assert conditions.problem(bad)
