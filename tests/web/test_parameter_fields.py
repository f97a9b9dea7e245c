"""The field of a form for each type of parameter: what it shows, what it takes, and what it says of what it does not take."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import translation

from core.forms import with_lf
from datasets.models import Dataset, DatasetVersion, Datastore
from runs.web.parameters import ParameterForm
from tests.runs.conftest import RunScenario

Declared = dict[str, Any]


def one(kind: str, default: Any, **more: Any) -> Declared:
    return {"parameters": [{"name": "x", "type": kind, "default": default, **more}]}


def sent(**values: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update(values)
    return data


def untouched(graph: Declared, current: dict[str, Any] | None = None) -> ParameterForm:
    """The form as a browser sends it back that nobody has touched: breaks of lines as CR LF."""
    shown = ParameterForm(graph, current)
    text = with_lf(str(shown.fields["p_x"].initial)).replace("\n", "\r\n")
    return ParameterForm(graph, current, sent(p_x=text))


@pytest.mark.parametrize(
    "kind,default,more",
    [
        ("string", "", {}),
        ("string", "a\r\nb\rc\n", {}),
        ("string", "x" * 200, {}),
        ("string", "l", {"choices": ["s", "l"]}),
        ("string", "", {"choices": ["", "l"]}),
        ("int", 2**53 + 1, {}),
        ("int", -(10**30), {}),
        ("float", 1e-300, {}),
        ("float", 0.1, {"choices": [0.1, 0.2]}),
        ("bool", True, {}),
        ("bool", False, {}),
        ("list", [], {}),
        ("list", ["a", "b c"], {}),
        ("list", [" a ", "", "b\nc", "[1]"], {}),
        ("list", ["[1, 2]"], {}),
        ("list", ["a\u2028b"], {}),
        ("list", [1, 2], {}),
        ("list", [0.5, 1.0], {}),
        ("list", [True, False], {}),
        ("list", ["1"], {}),
        ("json", {}, {}),
        ("json", {"a": {"é": [1, None, 1e300]}}, {}),
        ("datetime", "2024-05-31T12:30:00+00:00", {}),
        ("datetime", "2024-05-31T12:30:00.123456+00:00", {}),
        ("datetime", "2024-05-31T12:30:00+00:00", {"choices": ["2024-05-31T12:30:00+00:00"]}),
        ("data_path", {"datastore": "blob", "path": "a/b"}, {}),
        ("dataset", "0199", {}),
    ],
)
def test_what_nobody_touched_comes_back_as_it_was(kind: str, default: Any, more: dict[str, Any]) -> None:
    form = untouched(one(kind, default, **more))
    assert form.is_valid(), form.errors
    assert form.values() == {"x": default} and type(form.values()["x"]) is type(default)


@pytest.mark.parametrize(
    "kind,default,more,text,value",
    [
        ("int", 3, {}, " 20 ", 20),
        ("int", 3, {}, "9007199254740993", 2**53 + 1),
        ("float", 3.0, {}, "1e-3", 0.001),
        ("string", "a", {}, "", ""),
        ("string", "a", {}, " b ", " b "),
        ("bool", True, {}, "false", False),
        ("list", ["a"], {}, "b\r\n\r\n c \r\n", ["b", "c"]),
        ("list", ["a"], {}, "", []),
        ("list", ["a"], {}, '["b", ""]', ["b", ""]),
        ("list", [1], {}, "2\n3", [2, 3]),
        ("list", [], {}, "2\n3", ["2", "3"]),
        ("list", [], {}, "[2, 3]", [2, 3]),
        ("json", {}, {}, '{"a":\r\n [1]}', {"a": [1]}),
        ("datetime", "2024-01-01T00:00:00+00:00", {}, "2024-05-31T14:30", "2024-05-31T14:30:00+00:00"),
        ("float", 0.1, {"choices": [0.1, 0.2]}, "0.2", 0.2),
        ("data_path", {"datastore": "blob", "path": "a"}, {}, "blob/b", {"datastore": "blob", "path": "b"}),
    ],
)
def test_what_was_filled_in_is_typed(kind: str, default: Any, more: dict[str, Any], text: str, value: Any) -> None:
    form = ParameterForm(one(kind, default, **more), None, sent(p_x=text))
    assert form.is_valid(), form.errors
    assert form.values() == {"x": value}


@pytest.mark.parametrize(
    "kind,default,more,text,error",
    [
        ("int", 3, {}, "many", "Parameter 'x' is a whole number, but the value is 'many'."),
        ("int", 3, {"maximum": 5}, "6", "Parameter 'x' is at most 5, but the value is 6."),
        ("int", 3, {}, "", "This field is required."),
        ("string", "s", {"choices": ["s", "l"]}, "huge", "Parameter 'x' is one of 's', 'l', but the value is 'huge'."),
        ("list", [1], {"minimum": 1}, "2\n0", "Each element of parameter 'x' is at least 1, but the list has 0."),
        ("list", [1], {}, "[1", "This is no JSON: it breaks at line 1, column 3."),
        ("json", {}, {}, '{"a":\n 1', "This is no JSON: it breaks at line 2, column 3."),
        ("json", {}, {}, "[1]", "Parameter 'x' is a JSON object, each key of it once, but the value is '[1]'."),
        ("json", {}, {}, "[" * 100_000, "Parameter 'x' is a JSON object"),
        ("bool", True, {}, "perhaps", "Parameter 'x' is true or false, but the value is 'perhaps'."),
        ("datetime", "2024-01-01T00:00:00+00:00", {}, "31/05/2024", "Parameter 'x' is a time as ISO 8601 writes it"),
        ("data_path", {"datastore": "blob", "path": ""}, {}, "blob/../x", "Parameter 'x' is a path on a datastore"),
    ],
)
def test_what_is_not_taken_is_said_at_its_field_and_stays(
    kind: str, default: Any, more: dict[str, Any], text: str, error: str
) -> None:
    form = ParameterForm(one(kind, default, **more), None, sent(p_x=text))
    assert not form.is_valid() and error in form.errors["p_x"][0]
    assert form["p_x"].value() == text, "what was typed stays"


def test_it_is_said_in_the_readers_language() -> None:
    with translation.override("pt-pt"):
        form = ParameterForm(one("int", 3, maximum=5), None, sent(p_x="6"))
        assert form.errors["p_x"] == ["O parâmetro 'x' é no máximo 5, mas o valor é 6."]


def test_left_out_is_the_default_and_false_is_not_left_out() -> None:
    for graph in (one("bool", True), one("data_path", {"datastore": "b", "path": ""}), one("dataset", "0199")):
        form = ParameterForm(graph, None, sent())
        assert form.is_valid() and form.values() == {}
    data = QueryDict("p_x=false&p_x=true")  # the box and the false before it
    assert ParameterForm(one("bool", False), None, data).is_valid()
    form = ParameterForm(one("bool", False), None, data)
    assert form.is_valid() and form.values() == {"x": True}


@pytest.mark.parametrize(
    "kind,default,more,pattern",
    [
        ("int", 3, {"minimum": 1, "maximum": 9}, r'<input type="number" name="p_x" value="3" step="1" min="1" max="9"'),
        ("float", 0.5, {"minimum": 0}, r'type="number"[^>]* step="any" min="0.0"'),
        ("string", "s", {"choices": ["s", "l"]}, r'<select name="p_x"[^>]*>\s*<option value="s" selected>'),
        ("bool", True, {}, r'type="hidden" name="p_x" value="false">\s*<input type="checkbox" name="p_x" value="true"[^>]* checked'),
        ("bool", False, {}, r'<input type="checkbox" name="p_x" value="true"(?![^>]*checked)'),
        ("datetime", "2024-05-31T12:30:00.250000+00:00", {"minimum": "2024-01-01"}, r'type="datetime-local"[^>]*min="2024-01-01T00:00:00"'),
        ("datetime", "2024-05-31T12:30:00.250000+00:00", {}, r'value="2024-05-31T12:30:00.25"'),
        ("datetime", "2024-05-31T12:30:00.123456+00:00", {}, r'type="text"[^>]*value="2024-05-31T12:30:00.123456"'),
        ("list", ["a", "b"], {}, r"<textarea[^>]*>\s*a\nb</textarea>"),
        ("json", {"a": 1}, {}, r"<textarea[^>]*class=\"mono\""),
    ],
)  # fmt: skip
def test_each_type_has_its_input(kind: str, default: Any, more: dict[str, Any], pattern: str) -> None:
    assert re.search(pattern, str(ParameterForm(one(kind, default, **more), None)["p_x"].as_field_group()))


def test_the_help_stands_below_with_what_may_be_filled_in() -> None:
    html = ParameterForm(one("int", 3, minimum=1, maximum=9, help="How often.\n<b>Each</b>"), None)[
        "p_x"
    ].as_field_group()
    assert "How often.<br>&lt;b&gt;Each&lt;/b&gt;<br>whole number, from 1 to 9" in str(html)
    assert 'aria-describedby="id_p_x_helptext"' in str(html)
    listed = ParameterForm(one("list", [], choices=["a", "b"]), None)["p_x"].help_text
    assert listed == "list, one element a line, each one of a, b"


def test_a_value_that_is_allowed_no_more_is_not_another_one() -> None:
    form = ParameterForm(one("string", "s", choices=["s", "l"]), {"x": "huge"})
    assert '<option value="huge" selected>huge (not allowed)</option>' in str(form["p_x"])
    assert not untouched(one("int", 3, maximum=5), {"x": 9}).is_valid()


@pytest.mark.django_db
def test_datasets_and_datastores_are_offered() -> None:
    workspace = RunScenario().workspace
    Datastore.objects.create(workspace=workspace, name="raw")
    dataset = Dataset.objects.create(workspace=workspace, name="penguins", kind="file", latest_version=2)
    first, second = (
        DatasetVersion.objects.create(
            workspace=workspace, dataset=dataset, version=number, kind="file", definition={}, digest="", status="ready"
        )
        for number in (1, 2)
    )
    graph = one("dataset", str(first.pk))
    html = str(ParameterForm(graph, None, workspace=workspace)["p_x"])
    assert re.search(rf'<optgroup label="penguins">\s*<option value="{second.pk}">penguins, version 2</option>', html)
    assert f'<option value="{first.pk}" selected>penguins, version 1</option>' in html
    gone = str(ParameterForm(graph, {"x": "0199-gone"}, workspace=workspace)["p_x"])
    assert '<option value="0199-gone" selected>as it is: 0199-gone</option>' in gone
    assert "penguins" not in str(ParameterForm(graph, None)["p_x"]), "nothing of a workspace without one"

    graph = one("data_path", {"datastore": "raw", "path": "a/b"})
    html = str(ParameterForm(graph, None, workspace=workspace)["p_x"].as_field_group())
    assert re.search(r'<select name="p_x_=store" id="id_p_x_0"[^>]*>', html) and 'for="id_p_x_0"' in html
    assert '<option value="raw" selected>raw</option>' in html and 'name="p_x_=path" value="a/b"' in html
    for data, value in (
        (sent(**{"p_x_=store": "raw", "p_x_=path": " c "}), {"x": {"datastore": "raw", "path": "c"}}),
        (sent(p_x="raw/d"), {"x": {"datastore": "raw", "path": "d"}}),
        (sent(**{"p_x_=store": "", "p_x_=path": ""}), {}),
    ):
        form = ParameterForm(graph, None, data, workspace=workspace)
        assert form.is_valid() and form.values() == value
    form = ParameterForm(graph, None, sent(**{"p_x_=store": "", "p_x_=path": "c"}), workspace=workspace)
    assert not form.is_valid() and 'value="c"' in str(form["p_x"])


@pytest.mark.django_db
def test_no_parameter_has_the_name_of_a_part_of_another() -> None:
    workspace = RunScenario().workspace
    Datastore.objects.create(workspace=workspace, name="raw")
    place = {"datastore": "raw", "path": "a"}
    graph = {
        "parameters": [
            {"name": "x", "type": "data_path", "default": place},
            *({"name": f"x_{part}", "type": "string", "default": "mine"} for part in ("0", "1", "store", "path")),
        ]
    }
    html = str(ParameterForm(graph, None, workspace=workspace))
    names = re.findall(r'name="(p_[^"]+)"', html)
    assert len(names) == len(set(names)) == 6
    data = sent(**dict.fromkeys(names, "mine"))
    data["p_x_=store"] = "raw"
    form = ParameterForm(graph, None, data, workspace=workspace)
    assert form.is_valid() and form.values()["x"] == {"datastore": "raw", "path": "mine"}
