"""From inputs, outputs and arguments, in all the spellings that programs use, to the graph."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from duto.data.datastore import AzureBlobDatastore
from duto.data.factory import FileDatasetFactory, sources_of
from duto.data.output_config import LinkFileOutputDatasetConfig, LinkTabularOutputDatasetConfig, OutputFileDatasetConfig
from duto.data.pipeline_data import PipelineData
from duto.data.references import DataPath, DataPathComputeBinding, DataReference
from duto.exceptions import UserErrorException
from duto.pipeline.graph_builder import GraphBuilder
from duto.pipeline.pipeline import Pipeline
from duto.spec.graph import Graph, read_graph
from duto.spec.parameters import coerce
from duto.steps.parameter import PipelineParameter
from duto.steps.python_script import PythonScriptStep

STORE = AzureBlobDatastore(None, "workspaceblobstore", "container", "account")


@pytest.fixture(autouse=True)
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.py").write_text("print()")
    monkeypatch.chdir(tmp_path)


def step(name: str, *arguments: Any, **more: Any) -> PythonScriptStep:
    return PythonScriptStep("s.py", name, list(arguments), **more)


def graph_of(*steps: PythonScriptStep) -> Graph:
    """The graph, which has no problems."""
    graph = Pipeline(None, list(steps)).graph
    assert graph.problems() == []
    return graph


def problems_of(*steps: PythonScriptStep) -> str:
    builder = GraphBuilder(None, list(steps))
    graph = builder.build()
    return "\n".join(problem.message for problem in builder.problems + graph.problems())


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    """(writer, output, reader) of all data between steps."""
    return {(str(each.step), str(each.output), one.id) for one in graph.steps for each in one.inputs}


def test_the_lines_of_the_article() -> None:
    prepared, results = PipelineData("output_data1", STORE, output_name="output_data1"), PipelineData("results", STORE)
    step("prepare", "--out", prepared)
    train = step("train", "--in", prepared.as_input(), "--results", results)
    graph = graph_of(train)
    assert edges(graph) == {("prepare", "output_data1", "train")}
    assert graph.step("train").arguments == ("--in", {"input": "output_data1"}, "--results", {"output": "results"})


def test_a_step_that_is_made_again_takes_the_place_of_the_first() -> None:
    data = PipelineData("data")
    step("write", data)
    again = step("write", "--more", data)
    graph = graph_of(step("read", data.as_input("x")))
    assert graph.step("write").arguments == ("--more", {"output": "data"}) and len(graph.steps) == 2
    assert again.out_roots == [data]


def test_inputs_and_outputs_say_more_than_where_data_stand_in_the_arguments() -> None:
    data = PipelineData("data")
    step("write", data)
    assert edges(graph_of(step("read", data, inputs=[data]))) == {("write", "data", "read")}
    late = PipelineData("late")
    reader = step("read", late)
    step("write", outputs=[late])
    assert edges(graph_of(reader)) == {("write", "late", "read")}


def test_data_of_which_nobody_can_tell_the_writer_are_named() -> None:
    data, none = PipelineData("data"), PipelineData("none")
    problems = problems_of(step("one", data), step("two", data), step("three", inputs=[none]))
    assert "'data' stands in the arguments of 'one' and 'two', so it cannot be told which of them writes it" in problems
    assert "Step 'three': input 'none' is written by no step: name it in the `outputs`" in problems


def test_data_as_a_dataset_are_an_output_of_their_writer() -> None:
    for how in (lambda data: data, lambda data: data.as_mount(), lambda data: data.as_named_input("again")):
        numbers = PipelineData("numbers").as_dataset()
        step("write", numbers, outputs=[numbers])
        read = step("read", how(numbers), inputs=[how(numbers)])
        graph = graph_of(read)
        assert edges(graph) == {("write", "numbers", "read")}
        assert graph.step("write").arguments == ({"output": "numbers"},) and not graph.step("write").inputs


def test_an_output_config_in_inputs_is_an_input_without_more_words() -> None:
    out = OutputFileDatasetConfig("out", (STORE, "x"))
    step("write", out)
    graph = graph_of(step("read", "--in", out, f"--again={out}/a.csv", inputs=[out]))
    assert edges(graph) == {("write", "out", "read")}
    read = graph.step("read")
    assert read.arguments == ("--in", {"input": "input_out"}, "--again=$AZUREML_DATAREFERENCE_input_out/a.csv")
    assert not read.outputs
    named = graph_of(step("again", out, inputs=[out.as_input("mine")]))
    assert named.step("again").arguments == ({"input": "mine"},)


def test_rows_in_the_arguments_of_their_writer_are_its_output() -> None:
    rows = OutputFileDatasetConfig("out").read_delimited_files().register_on_complete("made")
    step("write", "--out", rows)
    graph = graph_of(step("read", rows.as_input("rows")))
    assert edges(graph) == {("write", "out", "read")}
    output = graph.step("write").output("out")
    assert output.register is not None and output.register["kind"] == "tabular"
    assert graph.step("write").arguments == ("--out", {"output": "out"})


@pytest.mark.parametrize("as_table", [False, True])
def test_an_upload_says_whether_it_may_overwrite(as_table: bool) -> None:
    def sent(change: Any) -> Any:
        out = OutputFileDatasetConfig("out", (STORE, "x"))
        change(out.read_delimited_files() if as_table else out)
        output = graph_of(step("write", out)).step("write").output("out")
        return output.mode, output.overwrite

    assert sent(lambda out: out.as_upload()) == sent(lambda out: out.as_upload(overwrite=False)) == ("upload", False)
    assert sent(lambda out: out.as_upload(overwrite=True)) == ("upload", True)
    assert sent(lambda out: out.as_mount()) == ("mount", None)


@pytest.mark.parametrize("as_table", [False, True])
def test_an_upload_may_name_the_files_that_are_kept(as_table: bool) -> None:
    def sent(change: Any) -> Any:
        out = OutputFileDatasetConfig("out", (STORE, "x"))
        change(out.read_delimited_files() if as_table else out)
        graph = graph_of(step("write", out))
        (written,) = graph.to_document()["steps"][0]["outputs"]
        read = read_graph(graph.to_document()).step("write").output("out")
        assert list(read.source_globs) == written.get("source_globs", [])
        return written.get("source_globs")

    assert sent(lambda out: out.as_upload(source_globs="**/*.csv")) == ["**/*.csv"]
    assert sent(lambda out: out.as_upload(source_globs=["a/*", "b"])) == ["a/*", "b"]
    assert sent(lambda out: out.as_upload()) is sent(lambda out: out.as_upload(source_globs=[])) is None
    assert sent(lambda out: (out.as_upload(source_globs="x"), out.as_mount())) is None, "it is no upload any more"
    for bad in ([3], [""], [None]):
        with pytest.raises(ValueError, match="source_globs"):
            sent(lambda out, bad=bad: out.as_upload(source_globs=bad))


@pytest.mark.parametrize(
    ("made", "kind", "mode"),
    [(LinkFileOutputDatasetConfig, "file_link", "mount"), (LinkTabularOutputDatasetConfig, "tabular_link", "direct")],
)
def test_an_output_that_links_a_dataset(made: Any, kind: str, mode: str) -> None:
    out = made("out").register_on_complete("named")
    graph = graph_of(
        step("write", "--out", out), step("read", inputs=[out.as_input("mine")]), step("again", inputs=[out])
    )
    assert edges(graph) == {("write", "out", "read"), ("write", "out", "again")}
    output = read_graph(graph.to_document()).step("write").output("out")
    assert (output.kind, output.mode, output.register["name"]) == (kind, "upload", "named")
    assert [each.mode for name in ("read", "again") for each in graph.step(name).inputs] == [mode, mode]
    assert str(out) == "DatasetOutputConfig:out" and out.mode == "link"


def test_an_output_says_whether_it_makes_another_version() -> None:
    for wanted in (True, False):
        made = PipelineData("data").as_dataset().register("made", create_new_version=wanted)
        output = graph_of(step("write", outputs=[made])).step("write").output("data")
        assert output.register is not None and output.register["create_new_version"] is wanted


def test_placeholders_say_the_names_that_data_have_in_the_step() -> None:
    data = PipelineData("data", output_name="data_files")
    step("write", f"--out={data}/x", f"${{{str(data)[1:]}}}", outputs=[data])
    read = step("read", f"--in={data}", inputs=[data.as_input("mine")])
    graph = graph_of(read)
    assert graph.step("write").arguments == (
        "--out=$AZUREML_DATAREFERENCE_data_files/x",
        "${AZUREML_DATAREFERENCE_data_files}",
    )
    assert graph.step("read").arguments == ("--in=$AZUREML_DATAREFERENCE_mine",)


def test_placeholders_of_data_that_a_step_does_not_have_are_refused() -> None:
    found = problems_of(step("read", "--in=$AZUREML_DATAREFERENCE_other"))
    assert "name the data 'other' ($AZUREML_DATAREFERENCE_other), which it does not have" in found


def test_two_inputs_of_one_name_are_refused_and_one_that_is_made_twice_is_one() -> None:
    one, other = PipelineData("data"), PipelineData("data")
    step("first", outputs=[one])
    step("second", outputs=[other])
    assert "'both' has two inputs of the name 'data'" in problems_of(step("both", inputs=[one, other]))
    paths = [DataReference(STORE, "raw", path) for path in ("raw", "/raw/", "others")]
    assert len(graph_of(step("same", paths[1], inputs=[paths[0]])).step("same").inputs) == 1
    assert "two inputs of the name 'raw'" in problems_of(step("not the same", paths[2], inputs=[paths[0]]))


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_what_is_no_list_is_named(what: str) -> None:
    with pytest.raises(UserErrorException, match=rf"write {what}=\[...\]"):
        PythonScriptStep("s.py", **{what: PipelineData("data")})  # type: ignore[arg-type]


SAME = ["raw/x", "/raw/x", "raw//x/", "./raw/./x"]
NONE = ["../x", "raw/../../x", "C:/x", "https://x/y", "raw/\0"]


@pytest.mark.parametrize("path", SAME)
def test_slashes_around_a_path_mean_nothing(path: str) -> None:
    reference = DataReference(STORE, "raw", path)
    parameter = PipelineParameter("p", DataPath(STORE, path))
    kept = OutputFileDatasetConfig("kept", (STORE, path + "/{run-id}"))
    graph = graph_of(step("s", reference, kept, inputs=[(parameter, DataPathComputeBinding())]))
    assert graph.step("s").input("raw").path == "raw/x"
    assert graph.step("s").output("kept").destination == "raw/x/{run-id}"
    assert graph.parameters[0].default == {"datastore": STORE.name, "path": "raw/x"}
    assert STORE.path(path).path("/y/").path_on_datastore == "raw/x/y"
    assert sources_of((STORE, path))[0][0]["path"].rstrip("/") == "raw/x"


@pytest.mark.parametrize("path", NONE)
def test_what_cannot_be_a_path_is_refused_before_anything_runs(path: str, tmp_path: Path) -> None:
    assert "input 'raw' reads" in problems_of(step("s", DataReference(STORE, "raw", path)))
    assert "output 'kept' has the destination" in problems_of(step("s", OutputFileDatasetConfig("kept", (STORE, path))))
    with pytest.raises(ValueError, match=r"a path on a datastore, without '\.\.'"):
        coerce("p", "data_path", {"datastore": "d", "path": path})
    for action in (
        lambda: sources_of((STORE, path)),
        lambda: STORE.upload(str(tmp_path), path),
        lambda: STORE.upload_files([str(tmp_path / "s.py")], None, path),
        lambda: FileDatasetFactory.upload_directory(str(tmp_path), (STORE, path)),
    ):
        with pytest.raises(UserErrorException, match="is no path on a datastore"):
            action()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/", "the datastore itself"),
        (".", "the datastore itself"),
        ("x" * 256, "more than 255"),
        ("a/" + "x" * 256, "255"),
    ],
)
def test_a_destination_is_a_folder_with_room_below(path: str, why: str) -> None:
    assert why in problems_of(step("s", OutputFileDatasetConfig("kept", (STORE, path))))


@pytest.mark.parametrize(
    ("path", "why"), [("../x", "leads out"), (".", "the folder of the script itself"), ("a/../b", "leads out")]
)
def test_a_path_on_the_node_lies_below_the_script(path: str, why: str) -> None:
    assert why in problems_of(step("s", outputs=[PipelineData("data", output_path_on_compute=path)]))
    assert why in problems_of(step("s", DataReference(STORE, "raw", "raw").as_download(path)))


@pytest.mark.parametrize("given", [(), "x", (STORE, 7), (3, "x"), (STORE, "a", "b")])
def test_a_destination_is_a_pair(given: Any) -> None:
    with pytest.raises(ValueError, match="a pair"):
        OutputFileDatasetConfig("out", given)


def test_a_destination_without_a_path_is_the_usual_one() -> None:
    for given in (None, (STORE,), (STORE, None), (None, None), (None, "")):
        output = graph_of(step("s", OutputFileDatasetConfig("out", given))).step("s").output("out")
        assert not output.destination


def test_values_of_libraries_are_their_text() -> None:
    given = step("s", Path("a/b"), date(2021, 3, 4), Decimal("0.10"), True, 0.5, params={"where": Path("c")})
    found = graph_of(given).step("s")
    assert found.arguments == ("a/b", "2021-03-04", "0.10", True, 0.5) and found.params == {"where": "c"}


@pytest.mark.parametrize("value", [None, {"a": 1}, object()])
def test_what_can_be_no_argument_is_named_with_its_step(value: Any) -> None:
    with pytest.raises(UserErrorException, match=r"Step 's': .* can be no argument"):
        graph_of(step("s", value))
