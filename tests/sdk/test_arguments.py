"""What programs give that cannot be meant, against a real studio: each is refused in words, before anything is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duto import Dataset, Experiment, Model, Run, UserErrorException, Workspace
from duto.spec.names import is_name
from runs.models import MetricPoint
from tests.sdk.test_workspace import Programs, programs
from tests.workspace_scenario import scenario
from workspaces.models import Role

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["programs", "scenario"]  # fixtures


@pytest.fixture
def run(programs: Programs) -> Any:
    return Experiment(programs.workspace(Role.OWNER), "e").start_logging()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda run: run.upload_file("", "f.txt"), "'' names no file"),
        (lambda run: run.upload_file("/", "f.txt"), "'/' names no file"),
        (lambda run: run.upload_file(None, "f.txt"), "None names no file"),
        (lambda run: run.upload_file("a/", "f.txt"), "'a/' names a folder"),
        (lambda run: run.upload_file("a", "."), "'.' is a folder"),
        (lambda run: run.upload_file("a", "nowhere"), "'nowhere' does not exist"),
        (lambda run: run.log_image("i", path="."), "'.' is a folder"),
        (lambda run: run.log_list("l", None), "'l' is no list.* not None"),
        (lambda run: run.log_list("l", 5), "'l' is no list.* not 5"),
        (lambda run: run.log_list("l", "abc"), "'l' is no list.* not 'abc'"),
        (lambda run: run.log_list("l", {"a": 1}), "'l' is no list"),
        (lambda run: run.log_table("t", [1]), r"'t' is no table.* not \[1\]"),
        (lambda run: run.log_accuracy_table("a", None), "log_accuracy_table takes .* not None"),
        (lambda run: run.log_residuals("r", "nowhere.json"), "'nowhere.json' does not exist"),
        (lambda run: run.log_predictions("p", "{"), "'{' is no JSON of a predictions"),
        (lambda run: run.set_tags("abc"), "The tags are a dict of names and values, not 'abc'"),
        (lambda run: run.add_properties([1]), r"The properties are a dict of names and values, not \[1\]"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_what_it_is(
    run: Run, call: Callable[[Run], Any], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.txt").write_text("here")
    with pytest.raises(UserErrorException, match=expected):
        call(run)
    run.flush()
    assert not run.get_file_names() and not MetricPoint.objects.exists()


def test_a_metric_is_refused_by_its_name(run: Run) -> None:
    run.log("n" * 300, 1)
    with pytest.raises(UserErrorException, match="A metric's name is a text of 1 to 255 characters, not 'nnnn"):
        run.flush()


def test_values_of_tags_are_texts_and_one_name_takes_no_other_along(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("here")
    model = Model.register(run.experiment.workspace, str(tmp_path / "m.txt"), "m")
    for tagged in (run, run.experiment, model):
        add = tagged.set_tags if hasattr(tagged, "set_tags") else tagged.add_tags
        add({"zero": 0, "none": None, "no": False, "n": 1})
        assert tagged.tags == {"zero": "0", "none": "", "no": "False", "n": "1"}
        tagged.remove_tags("none")
        assert tagged.tags == {"zero": "0", "no": "False", "n": "1"}
        tagged.remove_tags(["n", "zero", "is not there"])
        assert tagged.tags == {"no": "False"}
    assert (
        Run.get(run.experiment.workspace, run.id).tags == Model(run.experiment.workspace, "m").tags == {"no": "False"}
    )


def test_what_names_no_workspace_is_done_in_the_one_around_the_program(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = programs.workspace(Role.OWNER)
    monkeypatch.chdir(tmp_path)
    assert Workspace._around().name == "lab", "the one that the token opens"
    Workspace.create("second")
    with pytest.raises(UserErrorException, match="Which workspace is this for: lab, second"):
        Dataset.File.from_files(["http://127.0.0.1:9/a.csv"]).to_path()
    workspace.write_config(str(tmp_path))
    assert Workspace._around().name == "lab", "the one of the configuration"
    with pytest.raises(UserErrorException, match="lies in a private network"):  # the studio was asked
        Dataset.File.from_files(["http://127.0.0.1:9/a.csv"]).to_path()


@pytest.mark.parametrize("name", ["ab", "a" * 25, "a-", "1ab"])
def test_program_and_studio_have_one_rule_for_names_of_clusters(programs: Programs, name: str) -> None:
    workspace = programs.workspace(Role.OWNER)
    assert not is_name("compute", name)
    body = {"name": name, "vm_size": "STANDARD_D2_V2"}
    with pytest.raises(UserErrorException, match="use 3 to 24 letters"):
        workspace._client.post(workspace._path("compute/"), body)
