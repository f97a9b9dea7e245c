"""Small values that programs pass along."""

from __future__ import annotations

from enum import Enum
from typing import Any, Dict, List, Mapping, Optional


class ResourceConfiguration:
    """What a model would need to be served; kept for its name, for a studio serves no models."""

    def __init__(
        self, cpu: Optional[float] = None, memory_in_gb: Optional[float] = None, gpu: Optional[int] = None
    ) -> None:
        """
        Args:
            cpu: cores; kept as it is.
            memory_in_gb: gigabytes; kept as it is.
            gpu: GPUs; kept as it is.
        """
        self.cpu = cpu
        self.memory_in_gb = memory_in_gb
        self.gpu = gpu

    def serialize(self) -> Dict[str, Optional[float]]:
        """The numbers under Azure ML's keys.

        Returns:
            `cpu`, `memoryInGB` and `gpu`.
        """
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    @staticmethod
    def deserialize(payload_obj: Optional[Mapping[str, Any]]) -> Optional[ResourceConfiguration]:
        """What `serialize()` described.

        Args:
            payload_obj: what it gave; None for none.

        Returns:
            The configuration, or None.
        """
        if payload_obj is None:
            return None
        return ResourceConfiguration(payload_obj.get("cpu"), payload_obj.get("memoryInGB"), payload_obj.get("gpu"))


class RunStatus:
    """The statuses of a run record, and groups of them, as Azure ML's SDK names them.

    Attributes:
        NOT_STARTED: made, and waits for nothing yet.
        QUEUED: waits for a place on its compute target.
        PREPARING: its environment is built and its data are brought.
        PROVISIONING: kept for its name; `Preparing` covers it.
        STARTING: its process is started.
        RUNNING: its script runs.
        CANCEL_REQUESTED: it is to end.
        FINALIZING: its outputs are kept.
        COMPLETED: it ended well.
        FAILED: it ended with an error.
        CANCELED: it was ended.
        NOT_RESPONDING: its host does not answer.
        UNAPPROVED: kept for its name.
        PAUSED: kept for its name.
    """

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
    def get_running_statuses(cls) -> List[str]:
        """The statuses of a run that is not over and not ending.

        Returns:
            The statuses.
        """
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
    def get_post_processing_statuses(cls) -> List[str]:
        """The statuses of a run that is ending.

        Returns:
            The statuses.
        """
        return [cls.CANCEL_REQUESTED, cls.FINALIZING]


class ViewType(Enum):
    """Which of the archived and the others a list shows.

    Attributes:
        ActiveOnly: those that are not archived.
        ArchivedOnly: those that are archived.
        All: all.
    """

    ActiveOnly = "ActiveOnly"
    ArchivedOnly = "ArchivedOnly"
    All = "All"


class PrimaryMetricGoal(Enum):
    """Which way a metric is better.

    Attributes:
        MAXIMIZE: the greater.
        MINIMIZE: the smaller.
    """

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"


class TimeSeries:
    """Names of settings of forecasts, as `azureml.train.automl.constants` has them.

    Attributes:
        TIME_COLUMN_NAME: the column of times.
        GRAIN_COLUMN_NAMES: the columns that part the series.
        MAX_HORIZON: how far ahead.
    """

    TIME_COLUMN_NAME = "time_column_name"
    GRAIN_COLUMN_NAMES = "grain_column_names"
    MAX_HORIZON = "max_horizon"
