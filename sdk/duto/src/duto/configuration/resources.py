"""Small values that programs pass along."""

from __future__ import annotations

from enum import Enum
from typing import Any, Dict, Mapping, Optional


class ResourceConfiguration:
    """What a model would need to be served; kept for its name, for a studio serves no models."""

    def __init__(
        self, cpu: Optional[float] = None, memory_in_gb: Optional[float] = None, gpu: Optional[int] = None
    ) -> None:
        self.cpu = cpu
        self.memory_in_gb = memory_in_gb
        self.gpu = gpu

    def serialize(self) -> Dict[str, Any]:
        """The numbers under Azure ML's keys."""
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    @staticmethod
    def deserialize(payload_obj: Optional[Mapping[str, Any]]) -> Optional[ResourceConfiguration]:
        """What `serialize()` described."""
        if payload_obj is None:
            return None
        return ResourceConfiguration(payload_obj.get("cpu"), payload_obj.get("memoryInGB"), payload_obj.get("gpu"))


class RunStatus:
    """The statuses of a run record, and groups of them, as Azure ML's SDK names them."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    PROVISIONING = "Provisioning"
    STARTING = "Starting"
    RUNNING = "Running"
    CANCEL_REQUESTED = "CancelRequested"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"
    UNAPPROVED = "Unapproved"
    PAUSED = "Paused"

    @classmethod
    def get_running_statuses(cls) -> Any:
        """The statuses of a run that is not over and not ending."""
        return [
            cls.NOT_STARTED,
            cls.QUEUED,
            cls.PREPARING,
            cls.PROVISIONING,
            cls.STARTING,
            cls.RUNNING,
            cls.UNAPPROVED,
            cls.NOT_RESPONDING,
            cls.PAUSED,
        ]

    @classmethod
    def get_post_processing_statuses(cls) -> Any:
        """The statuses of a run that is ending."""
        return [cls.CANCEL_REQUESTED, cls.FINALIZING]


class ViewType(Enum):
    """Which of the archived and the others a list shows."""

    ActiveOnly = "ActiveOnly"
    ArchivedOnly = "ArchivedOnly"
    All = "All"


class PrimaryMetricGoal(Enum):
    """Which way a metric is better."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class TimeSeries:
    """Names of settings, as `azureml.train.automl.constants` has them."""

    TIME_COLUMN_NAME = "time_column_name"
    GRAIN_COLUMN_NAMES = "grain_column_names"
    MAX_HORIZON = "max_horizon"
