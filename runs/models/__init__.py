"""What was asked, what happened, and what came of it."""

from runs.models.attempt import Attempt
from runs.models.draft_run import DraftRun
from runs.models.endpoint_run import EndpointRun
from runs.models.part_upload import PartUpload
from runs.models.rank_log import RankLog, file_of_rank, log_names, rank_log_name
from runs.models.record import Artifact, MetricDescription, MetricPoint, Output
from runs.models.run import DataUse, Experiment, ModelUse, Run, RunWords, StepRun, Trigger
from runs.models.sharing import Sharing
from runs.models.snapshot import Snapshot
from runs.models.sweep import Sweep, Trial

__all__ = [
    "Artifact",
    "Attempt",
    "DataUse",
    "DraftRun",
    "EndpointRun",
    "Experiment",
    "MetricDescription",
    "MetricPoint",
    "ModelUse",
    "Output",
    "PartUpload",
    "RankLog",
    "Run",
    "RunWords",
    "Sharing",
    "Snapshot",
    "StepRun",
    "Sweep",
    "Trial",
    "Trigger",
    "file_of_rank",
    "log_names",
    "rank_log_name",
]
