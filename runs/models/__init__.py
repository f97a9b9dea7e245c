"""What was asked, what happened, and what came of it."""

from runs.models.attempt import Attempt
from runs.models.record import Artifact, MetricDescription, MetricPoint, Output
from runs.models.run import DataUse, Experiment, ModelUse, Run, StepRun
from runs.models.snapshot import Snapshot

__all__ = [
    "Artifact",
    "Attempt",
    "DataUse",
    "Experiment",
    "MetricDescription",
    "MetricPoint",
    "ModelUse",
    "Output",
    "Run",
    "Snapshot",
    "StepRun",
]
