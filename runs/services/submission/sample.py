"""The sample pipeline: what a young workspace offers to run first. The same program as examples/penguins/pipeline.py."""

from __future__ import annotations

import hashlib
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from compute.models import ComputeTarget
from compute.services import targets
from core.spec import refusing
from datasets import stores
from datasets.models import DatasetVersion
from datasets.services import versions as dataset_versions
from duto.spec import snapshot as rules
from runs.models import Run
from runs.services.submission import snapshots
from runs.services.submission.submit import submit_run
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.services import storage

NAME = "Palmer penguins"
DATASET = "penguins-raw"
DATASTORE = "workspaceblobstore"
CLUSTER = "cpu-cluster"
MODELS = ("forest", "logistic")
# A model is trained in so many rounds, and in so many more each time that there should be something to watch.
ROUNDS = 20
# Of so many runs the rounds are looked at.
LOOKED_AT = 100


def rounds_to_watch(workspace: Workspace) -> int:
    """The fewest rounds with which no sample has run or runs here: what depends on them is not reused."""
    done = Run.objects.filter(workspace=workspace, parent__isnull=True, experiment__name=NAME)
    ended_badly = (Run.Status.FAILED, Run.Status.CANCEL_REQUESTED, Run.Status.CANCELED)
    given = done.exclude(status__in=ended_badly).order_by("-id").values_list("parameters", flat=True)[:LOOKED_AT]
    seen = [values.get("rounds", ROUNDS) for values in given]
    return next(rounds for rounds in count(ROUNDS, ROUNDS) if rounds not in seen)


def submit_sample(context: WorkspaceContext, *, rounds: int = ROUNDS, regenerate_outputs: bool = False) -> Run:
    """Submit it with what it needs: data, code, cluster. All of that is made once, so a second equal run is reused."""
    context.require(Role.CONTRIBUTOR)
    folder = _folder()
    _ensure_cluster(context)
    version = _ensure_data(context, folder / "penguins-raw.csv")
    snapshot = snapshots.take(context.workspace, folder)
    asked = _submission(version, snapshot.digest, rounds, regenerate_outputs)
    return submit_run(
        context,
        **asked,
        display_name=NAME,
        tags={"sample": "true"},
        trigger={"kind": "page", "name": context.actor},
    )


def planned_sample(context: WorkspaceContext, *, rounds: int = ROUNDS) -> dict[str, Any]:
    """What `submit_sample` submits, for a plan: nothing is made of what it needs. Raises NotFound where it has never run."""
    with refusing():
        manifest = rules.take(_folder(), snapshots.limits())
    version = dataset_versions.find_version(context.workspace, DATASET)
    return {
        **_submission(version, manifest.digest, rounds, False),
        "snapshots_to_come": [manifest.to_document()],
    }


def _folder() -> Path:
    return Path(settings.BASE_DIR) / "examples" / "penguins"


def _submission(version: DatasetVersion, snapshot: str, rounds: int, regenerate_outputs: bool) -> dict[str, Any]:
    return {
        "experiment": NAME,
        "graph": graph(str(version.pk), snapshot),
        "parameters": {"rounds": rounds},
        "regenerate_outputs": regenerate_outputs,
    }


def graph(dataset: str, snapshot: str) -> dict[str, Any]:
    """Prepare, train two models side by side, compare."""
    prepare = _step(
        "prepare",
        "prepare.py",
        snapshot,
        arguments=["--raw", {"input": "raw"}, "--prepared", {"output": "prepared"}],
        inputs=[{"name": "raw", "from": {"dataset": dataset}, "mode": "download"}],
        outputs=[_output("prepared")],
    )
    compare = _step(
        "compare",
        "compare.py",
        snapshot,
        arguments=["--models", *({"input": model} for model in MODELS)],
        inputs=[_from(f"train {model}", model) for model in MODELS],
    )
    return {
        "schema": 1,
        "description": "Prepare the raw records, train two models side by side, compare them.",
        "parameters": [{"name": "rounds", "type": "int", "default": ROUNDS}],
        "pipeline_outputs": {},
        "steps": [prepare, *(_train(model, snapshot) for model in MODELS), compare],
    }


def _train(model: str, snapshot: str) -> dict[str, Any]:
    arguments: list[Any] = ["--prepared", {"input": "prepared"}, "--model", model]
    arguments += ["--rounds", {"parameter": "rounds"}, "--out", {"output": model}]
    inputs, outputs = [_from("prepare", "prepared")], [_output(model)]
    return _step(f"train {model}", "train.py", snapshot, arguments=arguments, inputs=inputs, outputs=outputs)


def _step(name: str, script: str, snapshot: str, **parts: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "kind": "python_script",
        "script": script,
        "snapshot": snapshot,
        "compute": CLUSTER,
        "environment": {"name": "AzureML-Tutorial"},
        "outputs": [],
        **parts,
    }


def _from(step: str, output: str) -> dict[str, Any]:
    return {"name": output, "from": {"step": step, "output": output}, "mode": "mount"}


def _output(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "pipeline_data", "datastore": DATASTORE, "is_directory": True}


def _ensure_cluster(context: WorkspaceContext) -> None:
    """Left as it is where there is one: somebody may have changed its size."""
    if not ComputeTarget.objects.filter(workspace=context.workspace, name=CLUSTER).exists():
        text = "Made for the sample pipeline."
        targets.create_target(context, CLUSTER, "STANDARD_DS1_V2", max_nodes=2, idle_seconds=600, description=text)


def _ensure_data(context: WorkspaceContext, file: Path) -> DatasetVersion:
    """The raw records as a dataset. An equal file is not written again: its new time would look like new data."""
    key = f"penguins/raw/{file.name}"
    root = stores.root_by_name(context.workspace, DATASTORE)
    data = file.read_bytes()
    if not (root.is_file(key) and _digest(root.read(key)) == _digest(data)):
        with file.open("rb") as source:
            stored = root.write(key, storage.metered(context.workspace, source))
        storage.note(context.workspace, stored.size)
    return dataset_versions.save(
        context,
        DATASET,
        "file",
        {"sources": [{"datastore": DATASTORE, "path": key}]},
        "344 penguins as they were recorded at Palmer Station, Antarctica (CC0).",
        {"sample": "true"},
        create_new_version=True,
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
