"""The statuses of a run, and the words that Azure ML's SDK has for them.

Source of both vocabularies: Azure ML SDK v1, where a run record says Completed while
`PipelineRun.get_status()` and
`StepRun.get_status()` say Finished.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Tuple

NOT_STARTED = "NotStarted"
QUEUED = "Queued"
PREPARING = "Preparing"
RUNNING = "Running"
FINALIZING = "Finalizing"
CANCEL_REQUESTED = "CancelRequested"
NOT_RESPONDING = "NotResponding"
COMPLETED = "Completed"
FAILED = "Failed"
CANCELED = "Canceled"
SKIPPED = "Skipped"

FINISHED = "Finished"
"""How pipeline and step runs spell Completed in `get_status()`; never stored."""

STORED: Tuple[str, ...] = (
    NOT_STARTED,
    QUEUED,
    PREPARING,
    RUNNING,
    FINALIZING,
    CANCEL_REQUESTED,
    NOT_RESPONDING,
    COMPLETED,
    FAILED,
    CANCELED,
    SKIPPED,
)
TERMINAL: FrozenSet[str] = frozenset({COMPLETED, FAILED, CANCELED, SKIPPED})
ACTIVE: FrozenSet[str] = frozenset(STORED) - TERMINAL

_STEP: Dict[str, str] = {
    COMPLETED: FINISHED,
    SKIPPED: "NotStarted",
    PREPARING: QUEUED,
    NOT_STARTED: NOT_STARTED,
    FINALIZING: RUNNING,
    CANCEL_REQUESTED: RUNNING,
    NOT_RESPONDING: RUNNING,
}
_PIPELINE: Dict[str, str] = {**_STEP, QUEUED: NOT_STARTED, PREPARING: NOT_STARTED}

# Properties of a run under the names that programs read.
IS_REUSED = "azureml.isreused"
REUSED_RUN_ID = "azureml.reusedrunid"
REUSED_NODE_ID = "azureml.reusednodeid"
REUSED_PIPELINE_RUN_ID = "azureml.reusedpipelinerunid"
IS_ADOPTED = "duto.isadopted"
RUN_SOURCE = "azureml.runsource"
PIPELINE_RUN_ID = "azureml.pipelinerunid"
NODE_ID = "azureml.nodeid"
# Of a trial: the run of its sweep.
SWEEP_RUN_ID = "HD_ParentRunId"
PARAMETERS = "azureml.parameters"
# Of a run: a dataset that its script named as an input, by the name; the value is the id of the version.
INPUT_DATASET = "duto.input."
# The same of one that its script asked for, by name and version, or by its id where it has no name.
READ_DATASET = "duto.read."
# Of a run: a model that its script copied, by name and version; the value is `name:version`.
READ_MODEL = "duto.model."
# Of a run of automated machine learning: a tag with the id of its best trial's run.
BEST_CHILD = "automl_best_child_run_id"
PIPELINE_ID = "azureml.pipelineid"
SNAPSHOT_ID = "ContentSnapshotId"
STEP_TYPE = "StepType"
COMPUTE_TYPE = "ComputeTargetType"
GIT_PROPERTIES: Tuple[str, ...] = (
    "azureml.git.repository_uri",
    "mlflow.source.git.repoURL",
    "azureml.git.branch",
    "mlflow.source.git.branch",
    "azureml.git.commit",
    "mlflow.source.git.commit",
    "azureml.git.dirty",
)

RUN_TYPES: Dict[str, str] = {
    "pipeline": "azureml.PipelineRun",
    "step": "azureml.StepRun",
    "script": "azureml.scriptrun",
    "interactive": "azureml.scriptrun",
    "sweep": "hyperdrive",
    "automl": "automl",
    "trial": "azureml.scriptrun",
    "child": "azureml.scriptrun",
}


def is_terminal(status: str) -> bool:
    """Whether a run in this stored status is over."""
    return status in TERMINAL


def step_status(status: str) -> str:
    """What `StepRun.get_status()` says for a stored status: NotStarted, Queued, Running, Failed, Finished,
    Canceled."""
    return _STEP.get(status, status)


def pipeline_status(status: str) -> str:
    """What `PipelineRun.get_status()` says for a stored status: NotStarted, Running, Failed, Finished,
    Canceled."""
    return _PIPELINE.get(status, status)


def run_type(kind: str, reused: bool = False) -> str:
    """`run.type` for a kind of run."""
    if kind == "step" and reused:
        return "azureml.ReusedStepRun"
    return RUN_TYPES.get(kind, "azureml.scriptrun")
