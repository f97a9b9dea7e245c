"""What parameters take: one pure check, the declarations that it goes by, and a program that declares them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duto.exceptions import UserErrorException
from duto.pipeline.pipeline import Pipeline
from duto.pipeline.submission import bound
from duto.spec import canonical, parameters
from duto.spec.declarations import declared, of_document
from duto.spec.errors import SpecError
from duto.spec.graph import Graph, Parameter, read_graph
from duto.spec.moments import moment_of
from duto.steps.parameter import PipelineParameter
from duto.steps.python_script import PythonScriptStep

LARGE = 2**53 + 1


@pytest.mark.parametrize(
    "kind,given,typed",
    [
        ("int", str(LARGE), LARGE),
        ("int", LARGE, LARGE),
        ("int", 2.0**53, 2**53),
        ("int", 10**40, 10**40),
        ("float", LARGE, float(LARGE)),
        ("float", "1e300", 1e300),
        ("bool", "true", True),
        ("bool", "False", False),
        ("string", "", ""),
        ("string", "日本 é 🐧", "日本 é 🐧"),
        ("list", [], []),
        ("list", "[]", []),
        ("list", ("a", "b"), ["a", "b"]),
        ("list", '["a", "日本"]', ["a", "日本"]),
        ("list", [1, 2], [1, 2]),
        ("list", [True, False], [True, False]),
        ("json", {"a": {"b": [1, None, "x"]}}, {"a": {"b": [1, None, "x"]}}),
        ("json", '{"a": 1.5}', {"a": 1.5}),
        ("json", {}, {}),
        ("json", {"code": "\\u0000 as six characters"}, {"code": "\\u0000 as six characters"}),
        ("datetime", "2024-05-31T14:30:00+02:00", "2024-05-31T12:30:00+00:00"),
        ("datetime", "2024-05-31T14:30:00Z", "2024-05-31T14:30:00+00:00"),
        ("datetime", "2024-05-31T14:30", "2024-05-31T14:30:00+00:00"),
        ("datetime", " 2024-05-31 ", "2024-05-31T00:00:00+00:00"),
        ("datetime", "2024-05-31 14:30:00.25", "2024-05-31T14:30:00.250000+00:00"),
        ("datetime", datetime(2024, 5, 31, 14, 30), "2024-05-31T14:30:00+00:00"),
        ("datetime", datetime(2024, 5, 31, tzinfo=timezone(timedelta(hours=-3))), "2024-05-31T03:00:00+00:00"),
    ],
)
def test_a_value_becomes_typed(kind: str, given: Any, typed: Any) -> None:
    found = parameters.coerce("p", kind, given)
    assert (found, type(found)) == (typed, type(typed))
    assert parameters.coerce("p", kind, json.loads(json.dumps(found))) == found, "and comes back from JSON as it was"


@pytest.mark.parametrize(
    "kind,given",
    [
        ("int", 2.0**53 + 2),
        ("int", "1.0"),
        ("int", ""),
        ("int", "9" * 5000),
        ("float", "nan"),
        ("float", float("inf")),
        ("float", "-Infinity"),
        ("float", 10**400),
        ("bool", "perhaps"),
        ("bool", ""),
        ("bool", 1.0),
        ("list", "a, b"),
        ("list", "{}"),
        ("list", {"a": 1}),
        ("list", [[1]]),
        ("list", [None]),
        ("list", [float("nan")]),
        ("list", ["\ud800"]),
        ("list", ["a\0b"]),
        ("list", 5),
        ("json", "[1]"),
        ("json", "{"),
        ("json", '{"a": 1, "a": 2}'),
        ("json", '{"a": NaN}'),
        ("json", '{"a": "\\u0000"}'),
        ("json", "[" * 5000),
        ("json", '{"a":' * 200 + "1" + "}" * 200),
        ("json", {1: 2}),
        ("json", {"a": {1: 2, "1": 3}}),
        ("json", {"a": datetime(2024, 1, 1)}),
        ("json", None),
        ("datetime", "2024-02-30"),
        ("datetime", "31/05/2024"),
        ("datetime", "2024-05-31T25:00"),
        ("datetime", "2024-05-31T14:30:00+99:00"),
        ("datetime", "2024-05-31T14:30:00.1234567"),
        ("datetime", "0001-01-01T00:00:00+02:00"),
        ("datetime", "٢٠٢٤-05-31"),
        ("datetime", 1717165800),
        ("datetime", ""),
        ("data_path", "../x"),
        ("data_path", {"datastore": "raw/../..", "path": "x"}),
        ("data_path", ["raw"]),
    ],
)
def test_a_value_of_another_type_is_named(kind: str, given: Any) -> None:
    with pytest.raises(SpecError, match="arameter 'p'") as caught:
        parameters.coerce("p", kind, given)
    assert [problem.code for problem in caught.value.problems] == ["wrong_type"]


def test_a_list_and_an_object_have_a_longest() -> None:
    longest = "x" * (parameters.LONGEST - 4)
    assert parameters.coerce("p", "list", [longest]) == [longest]
    for kind, value in (("list", [longest + "x"]), ("json", {"a": "é" * 40_000})):
        with pytest.raises(SpecError, match="takes at most 65,536 bytes of JSON, but the value has") as caught:
            parameters.coerce("p", kind, value)
        assert caught.value.problems[0].code == "too_long"


def test_a_text_is_no_longer_than_what_a_script_can_be_given() -> None:
    """One of the longest starts a program, as its argument and as its variable; another byte is refused."""
    longest = "é" * (parameters.LONGEST_TEXT // 2)
    name = "AML_PARAMETER_" + "p" * 40
    program = [sys.executable, "-c", f"import os, sys; print(len(sys.argv[1]), len(os.environ['{name}']))", longest]
    done = subprocess.run(program, env={**os.environ, name: longest}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(longest))] * 2
    for values, default in (({"p": longest}, ""), ({}, longest)):
        assert parameters.bind([declared("p", "string", default)], values) == {"p": longest}
    for values, default in (({"p": longest + "xx"}, ""), ({}, longest + "xx")):
        with pytest.raises(SpecError, match="takes a text of at most 131,000 bytes") as caught:
            parameters.bind([declared("p", "string", default)], values)
        assert [each.code for each in caught.value.problems] == ["too_long"]


RATE = declared("rate", "float", 0.5, minimum=0, maximum=1)
SIZE = declared("size", "string", "small", choices=["small", "large"])
ROUNDS = declared("rounds", "int", 3, minimum=1)
SINCE = declared("since", "datetime", "2024-06-01", maximum="2024-12-31T23:59:59Z")
LAYERS = declared("layers", "list", [64, 64], minimum=1, maximum=512)
COLUMNS = declared("columns", "list", [], choices=["a", "b"])


@pytest.mark.parametrize(
    "parameter,given,typed",
    [
        (RATE, "1", 1.0),
        (RATE, 0, 0.0),
        (SIZE, "large", "large"),
        (ROUNDS, str(LARGE), LARGE),
        (SINCE, "2024-12-31T23:59:59.000", "2024-12-31T23:59:59+00:00"),
        (SINCE, "2025-01-01T00:30:00+01:00", "2024-12-31T23:30:00+00:00"),
        (LAYERS, ["1", 512], [1, 512]),
        (LAYERS, [], []),
        (COLUMNS, '["b", "b"]', ["b", "b"]),
        (declared("x", "list", [0.5], minimum=0, maximum=1), [1, "0.25"], [1.0, 0.25]),
        (declared("x", "list", []), [1, 0.5], [1, 0.5]),
        (declared("x", "list", ["a"]), [1, True], ["1", "True"]),
    ],
)
def test_what_is_allowed_is_taken(parameter: Parameter, given: Any, typed: Any) -> None:
    assert parameters.check(parameter, given) == typed


@pytest.mark.parametrize(
    "parameter,given,code,text",
    [
        (RATE, 1.5, "out_of_range", "Parameter 'rate' is from 0.0 to 1.0, but the value is 1.5."),
        (RATE, "x", "wrong_type", "Parameter 'rate' is a number, but the value is 'x'."),
        (SIZE, "Large", "not_a_choice", "Parameter 'size' is one of 'small', 'large', but the value is 'Large'."),
        (SIZE, "", "not_a_choice", "Parameter 'size' is one of 'small', 'large', but the value is ''."),
        (ROUNDS, 0, "out_of_range", "Parameter 'rounds' is at least 1, but the value is 0."),
        (
            SINCE, "2025-01-01", "out_of_range",
            "Parameter 'since' is at most 2024-12-31T23:59:59+00:00, but the value is '2025-01-01T00:00:00+00:00'.",
        ),
        (LAYERS, [1, 0], "out_of_range", "Each element of parameter 'layers' is from 1 to 512, but the list has 0."),
        (LAYERS, [0.5], "wrong_type", "Parameter 'layers' is a list of whole numbers, but one of its elements is 0.5."),
        (COLUMNS, ["c"], "not_a_choice", "Each element of parameter 'columns' is one of 'a', 'b', but the list has 'c'."),
        (
            declared("x", "list", []), [1, "a"], "wrong_type",
            "Parameter 'x' is a list of texts, of numbers, or of true and false, but the value is [1, 'a'].",
        ),
        (declared("x", "int", 1, maximum=5), 6, "out_of_range", "Parameter 'x' is at most 5, but the value is 6."),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_told(parameter: Parameter, given: Any, code: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parameters.check(parameter, given)
    assert [(problem.code, problem.message) for problem in caught.value.problems] == [(code, text)]


@pytest.mark.parametrize(
    "kind,default,more,text",
    [
        ("int", 9, {"maximum": 5}, "'p' is at most 5, but the value is 9"),
        ("string", "c", {"choices": ["a", "b"]}, "'p' is one of 'a', 'b', but the value is 'c'"),
        ("int", 1, {"minimum": 5, "maximum": 1}, "has the minimum 5, which is above its maximum 1"),
        ("list", [3], {"minimum": 5, "maximum": 1}, "has the minimum 5, which is above its maximum 1"),
        ("string", "a", {"minimum": 1}, "type string, which has no minimum and no maximum"),
        ("bool", True, {"choices": [True]}, "type bool, which has no choices"),
        ("json", {}, {"choices": [{}]}, "type json, which has no choices"),
        ("string", "a", {"choices": []}, "has 0 choices: give 1 to 500"),
        ("string", "a", {"choices": "abc"}, "has choices that are no list"),
        ("string", "a", {"choices": ["a", "a"]}, "has the choice 'a' twice"),
        ("int", 1, {"choices": ["1", "x"]}, "'p' is a whole number, but the value is 'x'"),
        ("int", 1, {"choices": [1, 9], "maximum": 5}, "'p' is at most 5, but the value is 9"),
        ("float", 1, {"minimum": float("nan")}, "'p' is a number, but the value is nan"),
        ("list", ["a"], {"minimum": 1}, "its choices are all texts or all numbers, its bounds are numbers"),
        ("list", [1], {"choices": ["a"]}, "its choices are all texts or all numbers, its bounds are numbers"),
        ("list", [], {"choices": [[1]]}, "no elements of a list"),
        ("int", 1, {"help": 5}, "help that is no text"),
        ("int", 1, {"help": "x" * 2001}, "at most 2,000"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_told(kind: str, default: Any, more: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        declared("p", kind, default, **more)


def test_a_document_without_the_new_keys_stays_as_it_was() -> None:
    old = {
        "schema": 1, "description": "", "continue_on_step_failure": False, "pipeline_outputs": {}, "steps": [],
        "parameters": [{"name": "n", "type": "int", "default": 1}, {"name": "t", "type": "string", "default": ""}],
    }  # fmt: skip
    assert canonical.digest(read_graph(old).to_document()) == canonical.digest(old)


def test_a_document_says_what_is_allowed_and_is_read_back() -> None:
    for parameter in (RATE, SIZE, ROUNDS, SINCE, LAYERS, COLUMNS, declared("j", "json", {"a": [1]}, help=" why ")):
        document = Graph((), (parameter,)).to_document()
        again = read_graph(json.loads(json.dumps(document)))
        assert again.parameters == (parameter,) == (of_document(document["parameters"][0]),)
    assert "choices" not in Graph((), (RATE,)).to_document()["parameters"][0]
    with pytest.raises(SpecError, match="choices` must be a list"):
        read_graph({"steps": [], "parameters": [{"name": "n", "type": "int", "default": 1, "choices": "1"}]})


def test_values_arrive_as_text() -> None:
    values = {"o": {"datastore": "a", "path": "b"}, "j": {"datastore": "a", "path": "b"}, "l": ["é", "b"], "n": 0.1}
    found = parameters.texts({"o": "data_path", "j": "json", "l": "list", "n": "float"}, values)
    said = {name: parameters.as_text(value) for name, value in found.items()}
    assert said == {"o": "a/b", "j": '{"datastore":"a","path":"b"}', "l": '["é","b"]', "n": "0.1"}


def test_a_program_declares_what_it_takes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.py").write_text("print()")
    monkeypatch.chdir(tmp_path)
    size = PipelineParameter("size", "small", choices=("small", "large"), help="How much data.")
    since = PipelineParameter("since", datetime(2024, 5, 31, 14, 30), minimum=date(2024, 1, 1))
    layers = PipelineParameter("layers", [64], minimum=1)
    options = PipelineParameter("options", {"deep": {"a": 1}})
    assert (size.choices, size.help, layers.minimum, layers.maximum) == (["small", "large"], "How much data.", 1, None)
    assert [each.type for each in (size, since, layers, options)] == ["string", "datetime", "list", "json"]
    graph = Pipeline(None, [PythonScriptStep("s.py", "s", [size, since, layers, options])]).graph
    assert [each["default"] for each in graph.to_document()["parameters"]] == [
        "small", "2024-05-31T14:30:00+00:00", [64], {"deep": {"a": 1}},
    ]  # fmt: skip
    sent = bound(graph, {"since": datetime(2024, 6, 1, tzinfo=UTC), "layers": (1, 2)}, None)
    assert sent == {"since": "2024-06-01T00:00:00+00:00", "layers": [1, 2]}
    with pytest.raises(UserErrorException) as refused:
        bound(graph, {"size": "huge", "layers": [0], "since": "2023-01-01"}, None)
    assert [each["code"] for each in refused.value.facts["problems"]] == [
        "not_a_choice",
        "out_of_range",
        "out_of_range",
    ]
    for make in (
        lambda: PipelineParameter("n", 9, maximum=5),
        lambda: PipelineParameter("n", "a", choices=["b"]),
        lambda: PipelineParameter("n", True, minimum=0),
    ):
        with pytest.raises(ValueError, match="Parameter 'n'"):
            make()


def test_two_of_one_name_that_take_other_values_are_told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.py").write_text("print()")
    monkeypatch.chdir(tmp_path)
    first, second = PipelineParameter("n", 1), PipelineParameter("n", 1, maximum=5)
    builder = Pipeline(None, [PythonScriptStep("s.py", "s", [first, second])])._builder
    builder.build()
    assert "differ in their type, their choices, their bounds or their help" in builder.problems[0].message


# The first zone reads the tables of all zones.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_comes_back(moment: datetime) -> None:
    try:
        text = parameters.coerce("p", "datetime", moment)
    except SpecError:
        assert moment.year in (1, 9999)
        return
    assert moment_of(text) == datetime.fromisoformat(text) == moment.astimezone(UTC)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.sampled_from(parameters.TYPES), ANY)
def test_what_is_taken_is_json_and_is_taken_again(kind: str, value: Any) -> None:
    try:
        typed = parameters.coerce("p", kind, value)
    except SpecError:
        return
    assert parameters.coerce("p", kind, json.loads(json.dumps(typed, allow_nan=False))) == typed
