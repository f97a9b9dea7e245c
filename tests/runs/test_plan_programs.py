"""Plans as programs and the command line ask for them, over the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azureml.core import Dataset, Datastore, Environment, Experiment, ScriptRunConfig, Workspace
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Pipeline, PipelineEndpoint, PipelineParameter, PublishedPipeline
from azureml.pipeline.steps import PythonScriptStep
from azureml.train.automl import AutoMLConfig
from azureml.train.hyperdrive import HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, choice

from duto.cli.main import main
from duto.exceptions import ConflictException, NotFoundException
from runs.models import Run
from runs.services.submission import publish
from tests.runs.test_plans import STORE, Planner, put, rows
from workspaces.models import Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ws(scenario: Any, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("DUTO_URL", live_server.url)
    monkeypatch.setenv("DUTO_TOKEN", tokens.create(scenario.context, "sdk", Role.OWNER).text)
    return Workspace(None, None, "lab")


def bare() -> Environment:
    made = Environment("bare")
    made.python.user_managed_dependencies = True
    return made


def test_a_program_plans_what_it_has_not_brought(
    scenario: Any, ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(scenario, "raw/a.csv", "x" * 2048)
    source = tmp_path / "source"
    source.mkdir()
    (source / "step.py").write_text("print('hello')\n")
    data = Dataset.File.from_files((Datastore(ws, STORE), "raw"))
    epochs = PipelineParameter("epochs", 3)
    step = PythonScriptStep(
        name="train", script_name="step.py", source_directory=str(source), compute_target="cpu",
        arguments=["--epochs", epochs, data.as_named_input("raw").as_mount()],
    )  # fmt: skip
    pipeline = Pipeline(ws, [step])
    before = rows()
    plan = pipeline.plan("exp", pipeline_parameters={"epochs": 4}, priority=5)
    assert rows() == before
    (planned,) = plan.steps
    assert (planned.name, planned.outcome, planned.compute_target, planned.host) == ("train", "runs", "cpu", "alpha")
    assert (planned.seconds, plan.seconds, plan.size, plan.counts["runs"]) == (None, None, 2048, 1)
    assert str(plan).splitlines()[0].split() == ["STEP", "OUTCOME", "TAKES", "WHERE", "WHY"]
    assert "reads a dataset without a name, 2 KiB" in str(plan) and "no step of this name" in str(plan)
    assert json.loads(json.dumps(plan.to_dict()))["steps"][0]["name"] == "train"
    assert "<td>train</td>" in plan._repr_html_()
    with pytest.raises(UserErrorException, match="speed"):
        pipeline.plan(pipeline_parameters={"speed": 1})
    with pytest.raises(NotFoundException):
        pipeline.plan(resume_from="0198f000-0000-7000-8000-000000000000")
    assert rows() == before
    # What is published is planned by its name, too.
    crew = Planner(scenario)
    run = crew.run()
    made = publish.publish_run(scenario.context, run, name="nightly")
    published = PublishedPipeline.get(ws, str(made.pk))
    endpoint = PipelineEndpoint.publish(workspace=ws, name="scoring", pipeline=published, description="")
    again = published.plan(pipeline_parameters={"lr": 0.1})
    assert again.counts["reused"] == 3 and again.seconds == {"low": 0, "median": 0, "high": 0}
    assert again.steps[0].reused_run_id == str(scenario.step(run, "prepare").pk)
    other = endpoint.plan(pipeline_parameters={"lr": 0.2}, pipeline_version="0")
    assert [each.outcome for each in other.steps] == ["reused", "runs", "unknown"]
    assert other.steps[1].differences == ["parameter `lr` 0.1 → 0.2"]
    assert endpoint.plan(regenerate_outputs=True).counts["runs"] == 3
    with pytest.raises(NotFoundException):
        endpoint.plan(pipeline_version="7")
    capsys.readouterr()
    assert main(["plan", "nightly", "-p", "lr=0.2", "-w", "lab"]) == 0
    assert "3 steps: 1 reused, 1 runs, 1 unknown" in capsys.readouterr().out
    assert main(["plan", "nightly", "--json", "--regenerate-outputs", "-w", "lab"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["runs"] == 3
    assert Run.objects.filter(parent=None).count() == 1
    type(made).objects.update(status="Disabled")
    with pytest.raises(ConflictException):
        published.plan()


def test_an_experiment_plans_whatever_it_submits(scenario: Any, ws: Workspace, tmp_path: Path) -> None:
    put(scenario, "rows.csv", "x,y\n1,2\n")
    (tmp_path / "train.py").write_text("print('hello')\n")
    script = ScriptRunConfig(
        str(tmp_path), script="train.py", compute_target="cpu", arguments=["--lr", 0.1], environment=bare()
    )
    space = RandomParameterSampling({"--lr": choice(0.1, 0.2)})
    goal = PrimaryMetricGoal.MAXIMIZE
    sweep = HyperDriveConfig(
        run_config=script, hyperparameter_sampling=space, primary_metric_name="score", primary_metric_goal=goal,
        max_total_runs=2,
    )  # fmt: skip
    table = Dataset.Tabular.from_delimited_files((Datastore(ws, STORE), "rows.csv"), validate=False)
    automl = AutoMLConfig(
        task="regression", training_data=table, label_column_name="y", iterations=2, compute_target="cpu",
        n_cross_validations=2,
    )  # fmt: skip
    experiment = Experiment(ws, "alone")
    before = rows()
    for config in (script, sweep, automl):
        plan = experiment.plan(config, priority=3)
        (step,) = plan.steps
        assert (step.outcome, step.compute_target) == ("runs", "cpu") and rows() == before
    pipeline = Pipeline(ws, [PythonScriptStep("train.py", source_directory=str(tmp_path), compute_target="cpu")])
    assert experiment.plan(pipeline, regenerate_outputs=True).counts["runs"] == 1 and rows() == before
    odd: Any = "train.py"
    with pytest.raises(UserErrorException, match="str cannot be submitted"):
        experiment.plan(odd)
    with pytest.raises(UserErrorException, match="ScriptRunConfig has no use for regenerate_outputs"):
        experiment.plan(script, regenerate_outputs=True)
    run = experiment.submit(script)
    assert Run.objects.get(pk=run.id).kind == "script"
