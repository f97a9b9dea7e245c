"""Outputs that the studio itself writes when a sweep is over."""

from __future__ import annotations

from typing import Optional

from duto.exceptions import UserErrorException


class TrainingOutput:
    """What an output of a sweep holds: the metrics of all trials, or a file of the best one.

    Attributes:
        type: `Metrics` or `Model`.
    """

    def __init__(
        self,
        type: str,
        iteration: Optional[int] = None,
        metric: Optional[str] = None,
        model_file: Optional[str] = None,
    ) -> None:
        """Give it as `PipelineData(training_output=...)`.

        Args:
            type: `Metrics` or `Model`.
            iteration: of automated ML.
            metric: of automated ML.
            model_file: of a model of a sweep: the file, or the folder, that the best trial has kept, such as
                `outputs/model.pkl`.

        Raises:
            UserErrorException: another type, or an argument that its type has no use for.
        """
        if type not in ("Metrics", "Model"):
            raise UserErrorException(f"The type of a TrainingOutput is 'Metrics' or 'Model', not {type!r}.")
        if type == "Metrics" and (iteration is not None or metric is not None or model_file is not None):
            raise UserErrorException("TrainingOutput('Metrics') takes no iteration, metric or model_file.")
        if iteration is not None and metric is not None:
            raise UserErrorException("A TrainingOutput takes one of iteration and metric.")
        self.type, self.iteration, self.metric, self.model_file = type, iteration, metric, model_file
