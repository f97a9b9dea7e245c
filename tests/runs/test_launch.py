"""What the studio says of a step that is to be started on another machine."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from datasets.services import versions as dataset_versions
from datasets.services.datastores import put_file
from duto.spec.kinds import KINDS
from runs.models import Output, Run, Snapshot
from runs.services.agent_reports.launch_document import is_secret
from tests.runs.conftest import RunScenario
from workspaces.models import Role

pytestmark = pytest.mark.django_db
STORE = "workspaceblobstore"


def chain(scenario: RunScenario, **step: Any) -> tuple[Run, Run]:
    """A pipeline `prepare -> train`, in which `train` reads what `prepare` wrote; both runs."""
    graph = scenario.graph()
    graph["steps"][0]["outputs"] = [{"name": "made"}]
    graph["steps"][1] |= {
        "inputs": [{"name": "made", "from": {"step": "prepare", "output": "made"}, "mode": "mount"}],
        "arguments": ["--in", {"input": "made"}, {"parameter": "rate"}, 3],
        **step,
    }
    graph["parameters"] = [{"name": "rate", "type": "float", "default": 0.5}]
    root = scenario.pipeline(graph=graph, parameters={"rate": 0.25})
    return scenario.step(root, "prepare"), scenario.step(root, "train")


def wrote(scenario: RunScenario, run: Run, data: bytes = b"seven") -> Output:
    put_file(scenario.context, STORE, f"out/{run.pk}/made.txt", io.BytesIO(data), overwrite=True)
    file = {"path": "made.txt", "size": len(data), "digest": hashlib.sha256(data).hexdigest()}
    return Output.objects.create(
        run=run, name="made", datastore=STORE, path=f"out/{run.pk}", is_directory=True, digest="d", files=[file],
        file_count=1, size=len(data),
    )  # fmt: skip


def launch(scenario: RunScenario, run: Run, status: int = 200, client: Any = None) -> Any:
    answer = (client or scenario.client).get(f"{scenario.base}runs/{run.pk}/launch/")
    assert answer.status_code == status, answer.content
    return answer.json() if status == 200 else answer.json()["error"]


def test_a_reader_gets_code_arguments_and_inputs_with_addresses_that_answer(scenario: RunScenario) -> None:
    prepare, train = chain(scenario)
    wrote(scenario, prepare)
    reader = scenario.member("rui", Role.READER)
    found = launch(scenario, train, client=reader)
    assert found["arguments"] == ["--in", {"input": "made"}, "0.25", "3"]
    assert (found["step"], found["script"], found["reused_by"]) == ("train", "step.py", None)
    assert found["variables"]["AZUREML_RUN_ID"] == str(train.pk) and "AZUREML_RUN_TOKEN" not in found["variables"]
    (code,), (given,) = found["snapshot"]["files"], found["inputs"]
    (file,) = given["files"]
    assert (given["origin"], given["is_file"], file["path"], file["size"]) == ("prepare/made", False, "made.txt", 5)
    for each in (code, file):
        answer = reader.get(scenario.base + each["address"])
        assert (answer.status_code, hashlib.sha256(answer.getvalue()).hexdigest()) == (200, each["digest"])


@pytest.mark.parametrize("path", ["raw/one & two.csv", "raw"])
def test_datasets_and_places_come_with_their_files(scenario: RunScenario, path: str) -> None:
    put_file(scenario.context, STORE, "raw/one & two.csv", io.BytesIO(b"a\n1\n"), overwrite=True)
    definition = {"sources": [{"datastore": STORE, "path": path}]}
    version = dataset_versions.save(scenario.context, "rows", kind="file", definition=definition)
    inputs = [
        {"name": "set", "from": {"dataset": str(version.pk)}, "mode": "download"},
        {"name": "direct", "from": {"dataset": str(version.pk)}, "mode": "direct"},
        {"name": "place", "from": {"datastore": STORE, "path": path}, "mode": "mount"},
    ]
    _prepare, train = chain(scenario, inputs=inputs, arguments=[])
    found = {each["name"]: each for each in launch(scenario, train)["inputs"]}
    assert found["set"]["origin"] == "rows:1" and found["set"]["is_file"] == path.endswith("csv")
    assert found["direct"]["files"] == [] and found["direct"]["dataset"] == str(version.pk)
    for name in ("set", "place"):
        (file,) = found[name]["files"]
        answer = scenario.client.get(scenario.base + file["address"])
        assert answer.getvalue() == b"a\n1\n"


def test_a_reused_step_is_that_of_its_source(scenario: RunScenario) -> None:
    source = chain(scenario)
    wrote(scenario, source[0])
    _prepare, reused = chain(scenario)
    reused.step.reused_from = source[1]
    reused.step.save()
    found = launch(scenario, reused)
    assert (found["run"], found["reused_by"]) == (str(source[1].pk), str(reused.pk))


def test_secrets_are_named_and_not_told(scenario: RunScenario) -> None:
    variables = {"FLAVOR": "plain", "AWS_SECRET_ACCESS_KEY": "hush", "TOKENIZERS_PARALLELISM": "false"}
    _prepare, train = chain(scenario, inputs=[], arguments=[], environment_variables=variables)
    found = launch(scenario, train)["environment"]
    assert found["variables"] == {"FLAVOR": "plain", "TOKENIZERS_PARALLELISM": "false"}
    assert found["withheld"] == ["AWS_SECRET_ACCESS_KEY"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("HF_TOKEN", True), ("db_password", True), ("API_KEY", True), ("AzureStorageKey", False), ("MAX_TOKENS", False),
     ("KEY", False), ("AZURE_STORAGE_CONNECTION_STRING", True), ("PATH", False)],
)  # fmt: skip
def test_what_is_taken_for_a_secret(name: str, expected: bool) -> None:
    assert is_secret(name) == expected


def test_a_secret_parameter_is_a_mark_whose_value_nobody_gets(scenario: RunScenario) -> None:
    _prepare, train = chain(scenario, inputs=[], arguments=[{"parameter": "rate"}], params={"P": {"parameter": "rate"}})
    assert train.root is not None
    Run.objects.filter(pk=train.root.pk).update(parameters={"rate": {"$sealed": "00ff", "$digest": "aa"}})
    found = launch(scenario, train)
    assert found["arguments"] == ["${DUTO_SECRET_RATE}"] and found["params"] == {"P": "${DUTO_SECRET_RATE}"}
    assert found["secrets"] == ["rate"] and "00ff" not in str(found)


def test_what_cannot_be_started_is_refused_with_the_reason(scenario: RunScenario) -> None:
    prepare, train = chain(scenario)
    assert train.root is not None
    root = Run.objects.get(pk=train.root.pk)
    assert "prepare, train" in launch(scenario, root, 422)["message"]
    refused = launch(scenario, train, 422)
    assert refused["code"] == "input_missing" and "'prepare'" in refused["message"]
    output = wrote(scenario, prepare)
    output.removed_at = output.created_at
    output.save()
    assert launch(scenario, train, 404)["code"] == "removed"
    Snapshot.objects.all().delete()
    assert launch(scenario, train, 422)["code"] == "snapshot_gone"


@pytest.mark.parametrize("kind", ["sweep", "automl", "data_transfer"])
def test_what_runs_no_script_is_refused(scenario: RunScenario, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _prepare, train = chain(scenario, inputs=[], arguments=[], kind=kind)
    refused = launch(scenario, train, 422)
    assert refused["code"] == "not_launchable" and "'train'" in refused["message"]
    assert not KINDS[kind].runs_elsewhere
