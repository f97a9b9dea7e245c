"""The client against a stand-in: config, credentials, building, submitting, logging, errors."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from azureml.core import Dataset, Datastore, Environment, Experiment, Run, RunConfiguration, ScriptRunConfig, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.model import Model
from azureml.core.runconfig import DockerConfiguration
from azureml.data import DataType, OutputFileDatasetConfig
from azureml.exceptions import UserErrorException
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter, StepSequence
from azureml.pipeline.steps import PythonScriptStep
from msrest.exceptions import HttpOperationError

from duto import credentials
from duto.client import step_context
from duto.client.http import Client
from duto.exceptions import ConflictException, NotFoundException, StudioUnavailableException
from duto.pipeline.port_data import PortDataReference
from duto.run import context, spool
from tests.sdk.fake_studio import RUN, FakeStudio

EXAMPLES = Path(__file__).parents[2] / "examples"
STEP_VARIABLES = ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_SPOOL", "DUTO_URL", "DUTO_TOKEN", "DUTO_STUDIO_FILE")


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStudio]:
    for name in STEP_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/.config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home/.cache"))
    found = FakeStudio()
    credentials.remember(found.url, "duto_secret", "main")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield found
    found.server.shutdown()


@pytest.fixture
def ws(studio: FakeStudio) -> Workspace:
    return Workspace(None, None, "main")


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "work/a.py").write_text("print(1)")
    return "a.py"


def test_config_is_found_as_azure_ml_finds_it(studio: FakeStudio, tmp_path: Path) -> None:
    keys = {"subscription_id": "s", "resource_group": "g", "workspace_name": "main"}
    Path("config.json").write_text(json.dumps({**keys, "subscription_id": "plain"}))
    assert Workspace.from_config().subscription_id == "plain"
    # Any .azureml above beats a plain file here.
    (tmp_path / ".azureml").mkdir()
    scope = "/subscriptions/above/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/main"
    (tmp_path / ".azureml/config.json").write_text(json.dumps({"Id": None, "Scope": scope}))
    assert Workspace.from_config().subscription_id == "above"
    Path("lacking.json").write_text("{}")
    with pytest.raises(UserErrorException, match="subscription_id, resource_group, workspace_name"):
        Workspace.from_config("lacking.json")


def test_a_config_that_was_written_is_read(ws: Workspace) -> None:
    ws.write_config()
    assert Workspace.from_config() == ws
    assert json.loads(Path(".azureml/config.json").read_text())["studio_url"] == ws.studio_url


def test_a_foreign_config_draws_no_token(studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"subscription_id": "s", "resource_group": "g", "workspace_name": "main"}
    other = FakeStudio()
    monkeypatch.setenv("DUTO_URL", studio.url)
    monkeypatch.setenv("DUTO_TOKEN", "duto_secret")
    Path("config.json").write_text(json.dumps({**keys, "studio_url": other.url}))
    with pytest.raises(UserErrorException, match="no credentials"):
        Workspace.from_config()
    assert other.calls == []


def test_the_credentials_file_is_the_users_alone(studio: FakeStudio) -> None:
    assert stat.S_IMODE(credentials.credentials_path().stat().st_mode) == 0o600
    assert InteractiveLoginAuthentication().get_authentication_header() == {"Authorization": "Bearer duto_secret"}


def test_exceptions_are_those_that_programs_catch(ws: Workspace) -> None:
    with pytest.raises(ComputeTargetException):
        ComputeTarget(workspace=ws, name="ghost")
    with pytest.raises(HttpOperationError):
        Datastore.get(ws, "ghost")
    with pytest.raises(UserErrorException):
        Datastore(ws, name="ghost")


class Elsewhere(BaseHTTPRequestHandler):
    """Not a studio: a proxy that wants https, or a service that shows its own page at every address."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        moved = self.path.startswith("/moved/")
        body = b"<html>Welcome</html>"
        self.send_response(301 if moved else 200)
        if moved:
            self.send_header("Location", f"https://duto.example.org{self.path}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_what_is_no_studio_is_told_and_never_followed_elsewhere(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(UserErrorException, match="no Duto studio: its answer to GET /api/v1/me/ is no JSON"):
            Client(url, "duto_x").get("/api/v1/me/")
        Elsewhere.seen.clear()
        for ask in (lambda path: Client(url).get(path), lambda path: Client(url).download(path, tmp_path / "file")):
            with pytest.raises(UserErrorException, match=r"sends on to https://duto\.example\.org\.$"):
                ask("/moved/")
        assert Elsewhere.seen == ["/moved/", "/moved/"] and not [*tmp_path.iterdir()]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", ["http://", "ftp://a", "http://a:port", "http://a:0", "http://[::1", ""])
def test_an_address_that_is_none_is_told_before_anything_is_sent(studio: FakeStudio, address: str) -> None:
    kept = credentials.credentials_path().read_bytes()
    for ask in (lambda: Client(address).get("/"), lambda: credentials.remember(address, "x", "main")):
        with pytest.raises(UserErrorException, match="is no address of a studio"):
            ask()
    assert credentials.credentials_path().read_bytes() == kept and not studio.calls


def test_a_studio_that_is_away_for_a_moment_is_waited_for(studio: FakeStudio, ws: Workspace) -> None:
    studio.fail_next = 2
    assert ws.get_details()["name"] == "main" and ws.get_default_datastore().name == "workspaceblobstore"


def test_compute_has_its_exact_type_and_keys(ws: Workspace) -> None:
    config = AmlCompute.provisioning_configuration(
        vm_size="STANDARD_NC6", max_nodes="3", idle_seconds_before_scaledown="60"
    )
    target = ComputeTarget.create(ws, "cpu-cluster", config)
    target.wait_for_completion(show_output=True)
    assert type(target) is AmlCompute and type(ComputeTarget(ws, "cpu-cluster")) is AmlCompute
    assert list(target.get_status().serialize()) == [
        "currentNodeCount", "targetNodeCount", "nodeStateCounts", "allocationState", "allocationStateTransitionTime",
        "errors", "creationTime", "modifiedTime", "provisioningState", "provisioningStateTransitionTime",
        "scaleSettings", "vmPriority", "vmSize"]  # fmt: skip
    assert target.serialize()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 3
    assert ws.compute_targets["cpu-cluster"].type == "AmlCompute"


def test_the_penguins(studio: FakeStudio, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES / "penguins")
    spec = importlib.util.spec_from_file_location("penguins_pipeline", "pipeline.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pipeline = module.build(ws)
    assert studio.blobs == {}, "nothing is uploaded before submit"
    assert pipeline.validate() == []
    run = Experiment(ws, "Palmer penguins").submit(pipeline, pipeline_parameters={"rounds": 3})
    graph = studio.run["graph"]
    assert [step["id"] for step in graph["steps"]] == ["prepare", "train forest", "train logistic", "compare"]
    assert graph["steps"][3]["arguments"] == ["--models", {"input": "forest"}, {"input": "logistic"}]
    assert graph["steps"][0]["inputs"][0]["from"] == {"dataset": "d1"}
    assert graph["steps"][1]["environment"] == {"name": "AzureML-Tutorial", "version": "1"}
    assert studio.run["parameters"] == {"rounds": 3}
    assert run.wait_for_completion(show_output=True) == "Finished" and run.status == "Completed"
    assert [step.name for step in run.find_step_run("compare")] == ["compare"]
    sent = len(studio.calls)
    Experiment(ws, "Palmer penguins").submit(pipeline)
    assert not [call for call in studio.calls[sent:] if call[1].startswith("blobs/") and call[0] == "PUT"], (
        "known files do not travel again"
    )


def test_undeclared_parameters_and_all_problems_are_named(studio: FakeStudio, ws: Workspace, script: str) -> None:
    step = PythonScriptStep(script, compute_target="ghost")
    with pytest.raises(UserErrorException, match="no parameter 'lr'"):
        Experiment(ws, "e").submit(Pipeline(ws, step), pipeline_parameters={"lr": 1})
    missing = PythonScriptStep("gone.py", compute_target="ghost")
    missing.run_after(step)
    step.run_after(missing)
    texts = " ".join(Pipeline(ws, [step]).validate())
    assert "no script 'gone.py'" in texts and "circle" in texts and "no compute target 'ghost'" in texts
    with pytest.raises(UserErrorException, match="circle"):
        Pipeline(ws, [[step]]).submit("e")


def test_closure_nested_lists_and_sequences(ws: Workspace, script: str) -> None:
    first, second, third = (PythonScriptStep(script, name=name) for name in ("x", "x", "z"))
    graph = Pipeline(ws, StepSequence([first, [second], third])).graph
    assert graph.needs == {"x": frozenset(), "x-2": frozenset({"x"}), "z": frozenset({"x-2"})}
    assert Pipeline(ws, [[third]]).graph.order == ("x", "x-2", "z")


def test_what_arguments_become(ws: Workspace, script: str) -> None:
    store = ws.get_default_datastore()
    table = Dataset.Tabular.from_delimited_files((store, "x/*.csv"))
    data, out = PipelineData("data", store, is_directory=True), OutputFileDatasetConfig("out", (store, "o/{run-id}"))
    PythonScriptStep(script, name="make", arguments=["--out", out, f"--d={data}"], outputs=[data])
    reads = PythonScriptStep(
        script, name="read",
        arguments=["--t", table.as_named_input("table"), "--o", out.as_input("made"), ["--n", 3, PipelineParameter("p", 1.5)],
                   "--d", data, "--r", store.path("raw").as_download()],
        inputs=[data.as_input("renamed"), store.path("raw").as_download()], params={"epochs": 2},
    )  # fmt: skip
    graph = Pipeline(ws, [reads]).graph
    assert graph.problems() == []
    make, read = graph.steps
    assert make.arguments == ("--out", {"output": "out"}, "--d=$AZUREML_DATAREFERENCE_data")
    assert make.output("out").destination == "o/{run-id}" and make.output("data").is_directory
    assert read.arguments == ("--t", {"input": "table"}, "--o", {"input": "made"}, "--n", 3, {"parameter": "p"},
                              "--d", {"input": "renamed"}, "--r", {"input": "raw"})  # fmt: skip
    assert read.input("table").mode == "direct" and read.input("raw").mode == "download"
    assert read.params == {"epochs": 2} and read.parents == {"make"}


def test_a_steps_own_limits_win_over_its_run_configurations(ws: Workspace, script: str) -> None:
    config = RunConfiguration()
    config.retries, config.retry_delay, config.max_run_duration_seconds = 1, 60, 3600
    made = [
        PythonScriptStep(script, name="plain"),
        PythonScriptStep(script, name="theirs", runconfig=config),
        PythonScriptStep(script, name="own", runconfig=config, retries=0, retry_delay=timedelta(minutes=2), timeout=5),
    ]
    graph = Pipeline(ws, made).graph
    limits = {each.name: (each.retries, each.retry_delay_seconds, each.timeout_seconds) for each in graph.steps}
    assert limits == {"plain": (None, None, None), "theirs": (1, 60, 3600), "own": (0, 120, 5)}


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"retries": 1.5}, "retries=1.5 is not a whole number"),
        ({"retries": True}, "retries=True is not a whole number"),
        ({"retries": float("nan")}, "retries=nan is not a whole number"),
        ({"retries": -1}, "-1 retries are not between 0 and 100"),
        ({"retry_delay": "1m"}, "retry_delay='1m' is not a number of seconds"),
        ({"retry_delay": -1}, "between 0 and 604800"),
        ({"timeout": 0}, "not above 0"),
        ({"timeout": "long"}, "timeout='long' is not a number of seconds"),
    ],
)
def test_a_limit_that_makes_no_sense_is_told_before_anything_runs(
    ws: Workspace, script: str, limit: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserErrorException, match=re.escape(words)):
        Pipeline(ws, [PythonScriptStep(script, name="a", **limit)]).submit("e")


def test_priority_travels_with_a_submit(studio: FakeStudio, ws: Workspace, script: str) -> None:
    Pipeline(ws, [PythonScriptStep(script, compute_target="cpu")]).submit("e", priority=7)
    assert studio.run["priority"] == 7
    config = RunConfiguration()
    config.target = "cpu"
    config.priority = -3
    source = ScriptRunConfig(".", script, run_config=config, retries=2, retry_delay=1, timeout=9)
    Experiment(ws, "e").submit(source)
    step = studio.run["graph"]["steps"][0]
    assert studio.run["priority"] == -3
    assert (step["retries"], step["retry_delay_seconds"], step["timeout_seconds"]) == (2, 1, 9)
    Experiment(ws, "e").submit(source, priority=5)
    assert studio.run["priority"] == 5


def test_what_a_submit_does_not_know_is_told(studio: FakeStudio, ws: Workspace, script: str) -> None:
    pipeline = Pipeline(ws, [PythonScriptStep(script, compute_target="cpu")])
    with pytest.warns(UserWarning, match=r"passes over pipeline_parameter: a Pipeline has"):
        Experiment(ws, "e").submit(pipeline, pipeline_parameter={"a": 1}, credential_passthrough=False)


def test_validate_and_submit_say_the_same_of_compute_targets(studio: FakeStudio, ws: Workspace, script: str) -> None:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2"))
    nowhere = PythonScriptStep(script, name="nowhere")
    (found,) = Pipeline(ws, nowhere).validate()
    assert "Step 'nowhere' names no compute target" in found and "There are: cpu-cluster." in found
    for action in (
        lambda: Pipeline(ws, nowhere).submit("e"),
        lambda: Pipeline(ws, nowhere).publish("p"),
        lambda: Experiment(ws, "e").submit(ScriptRunConfig(".", script)),
    ):
        with pytest.raises(UserErrorException, match="names no compute target"):
            action()
    assert Pipeline(ws, PythonScriptStep(script, compute_target="CPU-Cluster")).validate() == [], "case means nothing"


def test_a_step_may_name_no_target_where_the_workspace_has_a_default_one(
    studio: FakeStudio, ws: Workspace, script: str
) -> None:
    nowhere = PythonScriptStep(script, name="nowhere")
    assert "choose the workspace's default cluster" in Pipeline(ws, nowhere).validate()[0]
    studio.facts["default_compute"] = "cpu-cluster"  # by an owner elsewhere, after this program has looked
    assert Pipeline(ws, nowhere).validate() == []
    Experiment(ws, "e").submit(ScriptRunConfig(".", script))
    assert studio.run["graph"]["steps"][0]["compute"] is None, "which one it is, is the studio's to say"


@pytest.mark.parametrize(
    "settings,expected",
    [
        ({"node_count": 6}, "6 nodes, and says of no processes"),
        ({"framework": "PySpark"}, "the framework PySpark, which is not part of Duto"),
        ({"communicator": "Horovod"}, "the communicator Horovod, which is not part of Duto"),
    ],
)
def test_what_no_step_does_is_refused(
    studio: FakeStudio, ws: Workspace, script: str, settings: dict[str, Any], expected: str
) -> None:
    config = RunConfiguration()
    config.target = "cpu"
    for name, value in settings.items():
        setattr(config, name, value)
    with pytest.raises(UserErrorException, match=f"asks for {expected}"):
        Experiment(ws, "e").submit(ScriptRunConfig(".", script, run_config=config))


def test_an_input_is_called_so_in_the_refusal_of_its_name(ws: Workspace) -> None:
    found = Dataset.File.from_files((Datastore(ws), "a/"), validate=False)
    with pytest.raises(ValueError, match="'1 bad' cannot name an input or output: use letters, digits"):
        found.as_named_input("1 bad")


def test_a_name_that_is_none_is_told_with_those_there_are(ws: Workspace) -> None:
    ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2"))
    with pytest.raises(KeyError) as refused:
        ws.compute_targets["gpu"]
    assert str(refused.value) == "There is no 'gpu'. There are: cpu-cluster." and refused.value.args == ("gpu",)
    assert ws.compute_targets.get("gpu") is None


@pytest.mark.parametrize("value", [None, [None], [[1]], {"a": float("nan")}, {1: 2}, float("inf"), object()])
def test_a_parameter_of_another_type_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):
        PipelineParameter("p", value)


def test_a_script_run(studio: FakeStudio, ws: Workspace, script: str) -> None:
    config = RunConfiguration()
    config.environment_variables["A"] = "1"
    run = Experiment(ws, "e").submit(ScriptRunConfig(".", script, ["--n", 1], config, compute_target="cpu-cluster"))
    assert studio.run["kind"] == "script" and isinstance(run, Run)
    step = studio.run["graph"]["steps"][0]
    assert (step["compute"], step["environment"], step["environment_variables"]) == ("cpu-cluster", None, {"A": "1"})
    assert run.get_details()["runDefinition"]["script"] == "a.py" and "transfers" not in run.get_details()
    answer = {"inputs": {"done": 5, "total": 9}}
    studio.run["step"] = {"id": step["id"], "attempts": [{"transfers": None}, {"transfers": answer}]}
    assert run.get_details()["transfers"] == answer


def test_an_interactive_run_sends_what_it_logs(studio: FakeStudio, ws: Workspace) -> None:
    with Experiment(ws, "e").start_logging() as run:
        run.log("loss", 0.5)
        run.log("loss", float("nan"))
        run.tag("k", "v")
        metrics = run.get_metrics()
        assert metrics["loss"][0] == 1 and metrics["loss"][1] != metrics["loss"][1]
        studio.run["status"] = "Running"
    records = [r for method, path, body in studio.calls if path.endswith("/metrics/") and body for r in body["records"]]
    assert [(r["seq"], r["op"]) for r in records] == [(1, "metric"), (2, "metric"), (3, "tag")]
    assert records[1]["value"] == {"$numberDouble": "NaN"}


def taken(studio: FakeStudio) -> list[str]:
    """The names of the metrics of which all of their request was taken, in order."""
    sent = [
        [r["name"] for r in body["records"]] for _m, path, body in studio.calls if path.endswith("/metrics/") and body
    ]
    return [name for names in sent if not any("\n" in name for name in names) for name in names]


def test_a_record_that_is_refused_costs_no_other(studio: FakeStudio, ws: Workspace) -> None:
    run = Experiment(ws, "e").start_logging()
    names = ["a", "b\n", "c", "d", "e\n", "f"]
    for name in names:
        spool.recorder(ws, run.id)._pending.append({"op": "metric", "name": name})
    with pytest.raises(UserErrorException) as refused:
        run.flush()
    assert str(refused.value).split("\n") == ["No name: 'b\\n'", "No name: 'e\\n'"]
    assert taken(studio) == ["a", "c", "d", "f"]
    run.flush()  # it was told once


def test_what_is_refused_on_its_own_is_a_warning_and_stops_no_loop(studio: FakeStudio, ws: Workspace) -> None:
    run = Experiment(ws, "e").start_logging()
    record = spool.recorder(ws, run.id)
    record._pending += [
        {"op": "metric", "name": "b\n"},
        *({"op": "metric", "name": f"m{i}"} for i in range(spool._BATCH - 2)),
    ]
    with pytest.warns(UserWarning, match="Left out: No name"):
        run.log("last", 1)  # fills the batch
    assert taken(studio) == [*(f"m{i}" for i in range(spool._BATCH - 2)), "last"]


def in_a_step(studio: FakeStudio, spool_file: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The run of a step as its script sees it."""
    values = {
        "AZUREML_ARM_SUBSCRIPTION": "s", "AZUREML_ARM_RESOURCEGROUP": "g", "AZUREML_ARM_WORKSPACE_NAME": "main",
        "AZUREML_ARM_PROJECT_NAME": "e", "AZUREML_RUN_ID": "step-1", "AZUREML_ROOT_RUN_ID": RUN,
        "AZUREML_RUN_TOKEN": "t", "AZUREML_SERVICE_ENDPOINT": studio.url, "DUTO_SPOOL": str(spool_file),
        "AZUREML_DATASET_ENVIRONMENT_VARS": "raw:mount", "raw": "/data/raw",
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    context._RUNS.clear()
    return Run.get_context()


def test_a_metric_in_a_step_is_a_line_and_no_request(
    studio: FakeStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spool.jsonl"
    run = in_a_step(studio, file, monkeypatch)
    run.log("loss", 0.3, step=2)
    run.parent.log("best", 1)
    child = os.fork()
    if child == 0:  # another process of the step
        spool._SPOOLS.clear()
        run.log_row("curve", x=1, y=2)
        os._exit(0)
    os.waitpid(child, 0)
    run.add_properties({"k": "v"})
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["seq"], each["run"]) for each in lines] == [(1, "step-1"), (2, RUN), (3, "step-1"), (4, "step-1")]
    assert lines[0]["index"] == 2 and lines[2]["value"] == {"x": 1, "y": 2}
    assert run.input_datasets["raw"] == "/data/raw" and run.experiment.workspace.name == "main"
    assert studio.calls == []
    Path(f"{file}.ack").write_text(str(file.stat().st_size))
    run.flush(timeout_seconds=5)


def test_what_a_script_asks_for_is_noted_once_and_what_it_goes_through_is_not(
    studio: FakeStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("named", "taken", "seen", None):
        studio.datasets.append({"name": name, "kind": "file", "definition": {"sources": []}})
    file = tmp_path / "spool.jsonl"
    monkeypatch.setattr(step_context, "_NOTED", set())
    ws = in_a_step(studio, file, monkeypatch).experiment.workspace
    assert "seen" in ws.datasets and {each.name for each in ws.datasets.values()} == {"named", "taken", "seen"}
    assert dict(ws.datasets.items())["seen"].id == "d3" and "named" in repr(ws.datasets)
    for _ in range(2):
        assert Dataset.get_by_name(ws, "named").id == "d1"
        assert ws.datasets["taken"].id == "d2" and Dataset.get_by_id(ws, "d4").name is None
    assert Model(ws, id="forest:3").version == 3  # looked at alone
    noted = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["run"], each["op"], each["key"], each["value"]) for each in noted] == [
        ("step-1", "property", "duto.read.named:1", "d1"),
        ("step-1", "property", "duto.read.taken:1", "d2"),
        ("step-1", "property", "duto.read.d4", "d4"),
    ]
    assert Path(Model.get_model_path("forest", version=3)).read_text() == "{}"
    Model(ws, "forest", version=3).download("again")
    (model,) = [json.loads(line) for line in file.read_text().splitlines()][3:]
    assert (model["key"], model["value"]) == ("duto.model.forest:3", "forest:3")
    monkeypatch.setattr(step_context, "_NOTED", set())
    step_context.note(SimpleNamespace(name="elsewhere"), "duto.read.x", "d9")
    Dataset.get_by_id(ws, "d1")
    assert len(file.read_text().splitlines()) == 5  # by the last line alone


def test_a_script_ends_the_runs_that_it_opened_and_leaves_its_own_end_to_the_studio(
    studio: FakeStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = in_a_step(studio, tmp_path / "spool.jsonl", monkeypatch)
    run.complete()
    assert studio.calls == []
    opened = Run(run.experiment, "opened-there")
    with opened:
        pass
    opened.complete()
    assert [path for _, path, _ in studio.calls] == ["runs/opened-there/complete/"] * 2


def test_a_table_is_read(studio: FakeStudio, ws: Workspace) -> None:
    pytest.importorskip("pandas")
    studio.files = {"a.csv": b"x,y\n1,007\n2,\n", "b.csv": b"x,y\n3,008\n"}
    store = ws.get_default_datastore()
    table = Dataset.Tabular.from_delimited_files((store, "*.csv"), set_column_types={"y": DataType.to_string()})
    frame = table.skip(1).keep_columns(["y", "x"]).to_pandas_dataframe()
    assert list(frame.columns) == ["y", "x"] and list(frame["x"]) == [2, 3] and frame["y"][1] == "008"
    first, rest = table.random_split(0.5, seed=1)
    assert len(first.to_pandas_dataframe()) + len(rest.to_pandas_dataframe()) == 3


def test_validate_is_the_studios_to_obey(studio: FakeStudio, ws: Workspace) -> None:
    store = ws.get_default_datastore()
    Dataset.File.from_files((store, "later/*"), validate=False).take(2).register(ws, "files")
    for make in (
        Dataset.Tabular.from_delimited_files,
        Dataset.Tabular.from_parquet_files,
        Dataset.Tabular.from_json_lines_files,
    ):
        make((store, "later/*"), validate=False).keep_columns(["x"]).register(ws, "rows")
    assert Dataset.File.from_files((store, "later/*"), validate=False).id
    Dataset.File.from_files((store, "now/*")).register(ws, "now")
    assert [each["validate"] for each in studio.datasets] == [False] * 5 + [True]


def test_an_index_of_times_is_the_index_again(studio: FakeStudio, ws: Workspace) -> None:
    pandas = pytest.importorskip("pandas")
    store = ws.get_default_datastore()

    def again(frame: Any, **more: Any) -> Any:
        studio.files = {}
        made = Dataset.Tabular.register_pandas_dataframe(frame, store, "frame", **more)
        (path,) = studio.files
        studio.files = {path.rsplit("/", 1)[-1]: studio.files[path]}
        return made

    days = pandas.date_range("2021-03-04", periods=3, freq="D", unit="ns")
    for name in (None, "day"):
        frame = pandas.DataFrame({"x": [1, 2, 3]}, index=pandas.DatetimeIndex(days, name=name))
        pandas.testing.assert_frame_equal(
            again(frame).to_pandas_dataframe(), frame, check_freq=False, check_column_type=False
        )
        assert list(again(frame).keep_columns("x").to_pandas_dataframe().columns) == ["x"]
    frames = pytest.importorskip("dask.dataframe")
    studio.files = {}
    lazy = frames.from_pandas(pandas.DataFrame({"x": [1, 2, 3]}), npartitions=2)
    Dataset.Tabular.register_dask_dataframe(lazy[lazy.x > 1], store, "lazy")
    (data,) = studio.files.values()
    assert list(pandas.read_parquet(io.BytesIO(data))["x"]) == [2, 3]
    both = pandas.DataFrame({"x": [1, 2]}, index=pandas.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", "n"]))
    found = again(both).to_pandas_dataframe()
    assert (list(found.index), list(found.index.names), list(found.x)) == ([("a", 1), ("b", 2)], ["k", "n"], [1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = again(pandas.DataFrame({"x": [1, 2, 3]}).query("x > 1")).to_pandas_dataframe()
        assert list(kept.columns) == ["x"] and list(kept.index) == [0, 1]
    with pytest.warns(UserWarning, match="index has no name"):
        again(pandas.DataFrame({"x": [1, 2]}, index=["a", "b"]))
    with pytest.raises(UserErrorException, match="the name 'x'"):
        again(pandas.DataFrame({"x": [1, 2]}, index=pandas.Index([1, 2], name="x")))


def test_upload_and_download_keep_the_paths(studio: FakeStudio, ws: Workspace, tmp_path: Path) -> None:
    store = ws.get_default_datastore()
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/a.txt").write_text("a")
    store.upload(str(tmp_path / "in"), "azureml/run/out")
    assert store.download(str(tmp_path / "local"), prefix="azureml/run/out") == 1
    assert (tmp_path / "local/azureml/run/out/sub/a.txt").read_text() == "a"


def letters(folder: Path) -> Path:
    folder.mkdir()
    for letter in "abcde":
        (folder / f"{letter}.txt").write_text(letter)
    return folder


def sent(studio: FakeStudio) -> list[str]:
    return sorted(path.rpartition("/")[2] for method, path, _ in studio.calls if method == "PUT")


def test_an_upload_carries_all_others_on_and_names_what_failed(
    studio: FakeStudio, ws: Workspace, tmp_path: Path
) -> None:
    folder = letters(tmp_path / "in")
    files = [str(folder / f"{letter}.txt") for letter in "abcde"]
    store, run = ws.get_default_datastore(), Run(Experiment(ws, "e"), RUN)
    studio.refused = {"b.txt": 413, "d.txt": 409}
    actions = {
        "a folder to a datastore": lambda: store.upload(str(folder), "x", overwrite=True),
        "files to a datastore": lambda: store.upload_files(files, str(folder), "x", overwrite=True),
        "files of a run": lambda: run.upload_files([f"f/{letter}.txt" for letter in "abcde"], files),
        "a folder of a run": lambda: run.upload_folder("f", str(folder)),
    }
    for name, action in actions.items():
        studio.calls.clear()
        with pytest.raises(UserErrorException, match="2 files could not be copied") as refusal:
            action()
        assert "b.txt is refused" in str(refusal.value) and "d.txt is refused" in str(refusal.value), name
        assert type(refusal.value) is UserErrorException and sent(studio) == [f"{each}.txt" for each in "abcde"], name
    with pytest.raises(UserErrorException) as missing:
        store.upload_files([*files, str(folder / "y"), str(folder / "z")])
    assert "/y' does" in str(missing.value) and "/z' does" in str(missing.value)


def test_a_file_of_a_run_that_is_missing_here_costs_no_other(studio: FakeStudio, ws: Workspace, tmp_path: Path) -> None:
    folder, run = letters(tmp_path / "in"), Run(Experiment(ws, "e"), RUN)
    with pytest.raises(UserErrorException, match="1 file could not"):
        run.upload_files(["0.txt", "a.txt"], [str(folder / "0.txt"), str(folder / "a.txt")])
    assert sent(studio) == ["a.txt"]


def test_a_download_carries_all_others_on_and_keeps_the_kind_of_error(
    studio: FakeStudio, ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studio.files = {f"{letter}.txt": letter.encode() for letter in "abcde"}
    store = ws.get_default_datastore()
    step = SimpleNamespace(_workspace=ws, _place=ws._path(f"runs/{RUN}/"))
    output = PortDataReference(None, RUN, {"name": "out", "datastore": store.name, "path": "p"}, step)
    for number, action in enumerate((store.download, output.download)):
        for statuses, kind in (
            ((409, 409), ConflictException), ((404, 404), NotFoundException), ((409, 404), UserErrorException),
        ):  # fmt: skip
            folder = tmp_path / f"{number}{statuses}"
            studio.refused = dict(zip(("b.txt", "d.txt"), statuses, strict=True))
            with pytest.raises(UserErrorException, match="2 files could not be copied") as refusal:
                action(str(folder))
            assert type(refusal.value) is kind and "b.txt is" in str(refusal.value) and "d.txt is" in str(refusal.value)
            assert refusal.value.code == ("refused" if kind is not UserErrorException else None)
            assert sorted(each.name for each in folder.rglob("*.txt")) == ["a.txt", "c.txt", "e.txt"]
            assert capsys.readouterr().out == "Downloading 5 files: 3 copied, 2 not copied.\n"


def test_a_studio_that_is_away_ends_a_transfer(studio: FakeStudio, ws: Workspace, tmp_path: Path) -> None:
    studio.files = {f"{number:03}.txt": b"x" for number in range(200)}
    studio.refused = dict.fromkeys(studio.files, 500)
    with pytest.raises(StudioUnavailableException):
        ws.get_default_datastore().download(str(tmp_path))
    assert len(studio.calls) < 50


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (None, ["a.csv", "b.txt", "sub/.hidden.csv", "sub/c.csv", "sub/deep/d.csv"]),
        ("*.csv", ["a.csv", "sub/.hidden.csv", "sub/c.csv", "sub/deep/d.csv"]),
        ("sub/*.csv", ["sub/.hidden.csv", "sub/c.csv"]),
        ("sub/**/*.csv", ["sub/.hidden.csv", "sub/c.csv", "sub/deep/d.csv"]),
    ],
)
def test_a_folder_becomes_a_dataset_by_a_pattern(
    studio: FakeStudio, ws: Workspace, tmp_path: Path, pattern: str | None, names: list[str]
) -> None:
    root = tmp_path / "in"
    for name in ("a.csv", "b.txt", "sub/c.csv", "sub/deep/d.csv", "sub/.hidden.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "link").symlink_to(root / "sub")
    Dataset.File.upload_directory(str(root), (ws.get_default_datastore(), "to"), pattern)
    assert sorted(studio.files) == sorted(f"to/{name}" for name in names)


@pytest.mark.parametrize(
    ("fault", "had"),
    [(NotFoundException, ["b.txt", "d.txt", "e.txt"]), (OSError, ["b.txt", "d.txt", "e.txt"]), (StudioUnavailableException, ["b.txt"])],
)  # fmt: skip
def test_one_file_that_fails_costs_no_other_but_an_absence_ends_it(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception], had: list[str]
) -> None:
    def download(client: Client, address: str, target: Path, *more: Any, **query: Any) -> None:
        if (fault is StudioUnavailableException and target.name > "b.txt") or target.name in ("a.txt", "c.txt"):
            raise fault(f"{target.name} is not to be had")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("b")

    dataset = Dataset.File.from_files((ws.get_default_datastore(), "raw/*.txt"))
    monkeypatch.setattr(dataset, "_files", lambda: [{"path": f"/{letter}.txt"} for letter in "abcde"])
    monkeypatch.setattr(Client, "download", download)
    with pytest.raises((UserErrorException, StudioUnavailableException)) as refusal:
        dataset.download(str(tmp_path / "here"))
    assert "d.txt is not" in str(refusal.value) or all(
        f"{name} is not" in str(refusal.value) for name in ("a.txt", "c.txt")
    )
    assert sorted(path.name for path in tmp_path.rglob("*.txt")) == had


def test_an_environment_is_named_while_nobody_touches_it(ws: Workspace) -> None:
    environment = Environment.get(ws, "AzureML-Tutorial")
    assert environment.reference() == {"name": "AzureML-Tutorial", "version": "1"}
    environment.python.conda_dependencies.add_pip_package("lightgbm")
    assert environment.reference()["python"]["packages"] == ["lightgbm", "pandas"]


def test_an_environment_by_name_keeps_its_packages_in_a_container_of_its_own(ws: Workspace) -> None:
    config = RunConfiguration()
    config.environment.name = "AzureML-Tutorial"
    config.docker = DockerConfiguration(use_docker=True, shm_size="8g", arguments=["--ulimit", "nofile=9"])
    config.environment_variables = {"A": "b"}
    assert config.environment_reference() == {"name": "AzureML-Tutorial", "version": None}, "a draft asks nothing"
    registered = Environment.get(ws, "AzureML-Tutorial").definition()
    reference = config.environment_reference(ws) or {}
    assert reference["python"] == registered["python"] and reference["python"]["packages"]
    assert reference["docker"] == {
        **registered.get("docker", {}),
        "shm_size": "8g",
        "arguments": ["--ulimit", "nofile=9"],
    }
    config.docker = DockerConfiguration(use_docker=True)
    config.environment.docker.arguments = ["--init"]
    assert (config.environment_reference(ws) or {})["docker"]["arguments"] == ["--init"], (
        "so it does by its own section"
    )
    config.environment.docker.base_image = "python:3.11-slim"
    assert not config.environment.is_by_name, "an image of its own is an environment of its own"


def test_an_environment_that_is_not_there_is_refused_in_the_words_of_the_studio(ws: Workspace) -> None:
    with pytest.raises(NotFoundException, match="No environments/AzureML-sklearn/versions/28/"):
        Environment.get(ws, "AzureML-sklearn", version="28")


def test_what_lies_on_the_web_is_waited_for(studio: FakeStudio, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    states = [{"status": "fetching", "error": None}, {"status": "ready", "error": None}]
    answer = studio.data
    asked: list[str] = []

    def data(method: str, rest: str, query: dict[str, list[str]], body: Any) -> Any:
        if rest == "datasets/" and method == "POST":
            return {**answer(method, rest, query, body), "status": "fetching", "error": None}
        if rest == "dataset-versions/d1/":
            asked.append(rest)
            return {"id": "d1", "name": "web", "version": 1, "kind": "file", "definition": {}, **states.pop(0)}
        return answer(method, rest, query, body)

    monkeypatch.setattr(studio, "data", data)
    made = Dataset.File.from_files("https://example.org/a.csv").register(ws, "web")
    assert (made.id, made.version, len(asked), states) == ("d1", 1, 2, [])
    states.append({"status": "failed", "error": {"code": "not_fetched", "message": "It answers 404."}})
    studio.datasets.clear()
    with pytest.raises(UserErrorException, match="It answers 404") as refused:
        Dataset.File.from_files("https://example.org/a.csv").register(ws, "web")
    assert refused.value.code == "not_fetched"


def test_a_list_that_is_read_on_is_asked_for_by_long_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    left = iter([["a"], ["b", "c"], ["d"]])

    def get(self: Client, path: str, **query: Any) -> dict[str, Any]:
        asked.append(query)
        items = next(left)
        return {"items": items, "next": None if items == ["d"] else items[-1]}

    monkeypatch.setattr(Client, "get", get)
    pages = Client("http://127.0.0.1:9", "token").pages("schedules/", status="Active")
    assert next(pages) == "a" and asked == [{"after": None, "status": "Active"}], "what was not taken is not asked for"
    assert list(pages) == ["b", "c", "d"]
    assert [(each["after"], each["limit"]) for each in asked[1:]] == [("a", 500), ("c", 500)]
