"""The run of a sweep: its trials, and the best of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, NoReturn, Optional

from duto.exceptions import UserErrorException
from duto.not_built import refusing
from duto.run.run import Run
from duto.spec import status as statuses

if TYPE_CHECKING:
    from duto.experiment.experiment import Experiment
    from duto.pipeline.pipeline_run import StepRun
    from duto.sweep.config import HyperDriveConfig


@refusing("get_diagnostics", "The page of each trial shows its log, and its attempts.")
class HyperDriveRun(Run):
    """The run of a sweep. Its children are the trials, each a run with its own page, log, metrics and files.

    Attributes:
        RUN_TYPE: Azure ML's name of its type.
    """

    RUN_TYPE: ClassVar[str] = "hyperdrive"

    def __init__(
        self,
        experiment: Experiment,
        run_id: str,
        hyperdrive_config: Optional[HyperDriveConfig] = None,
        **kwargs: Any,
    ) -> None:
        """The run of this id; `Run.get` needs no experiment.

        Args:
            experiment: the experiment.
            run_id: id of the run.
            hyperdrive_config: what it was submitted with, for `hyperdrive_config`.
            kwargs: as in `Run`.
        """
        super().__init__(experiment, run_id, **kwargs)
        self._config = hyperdrive_config

    @property
    def hyperdrive_config(self) -> Optional[HyperDriveConfig]:
        """What it was submitted with; None for a run that was read from the studio."""
        return self._config

    def get_hyperparameters(self) -> Dict[str, str]:
        """The values of all trials.

        Returns:
            By the id of each trial its values by name, as JSON, as Azure ML gives them.
        """
        return {str(each["run"]): _values(each) for each in self._trials()["items"]}

    def get_metrics(  # type: ignore[override]  # Azure ML's has no arguments, and the metrics of all trials
        self,
    ) -> Dict[str, Dict[str, Any]]:
        """The metrics of all trials.

        Returns:
            By the id of each trial its metrics, as `Run.get_metrics` gives them.
        """
        found = {str(each["run"]): each for each in self._trials()["items"]}
        metrics: Dict[str, Dict[str, Any]] = Run(self.experiment, self._sweep_id).get_metrics(recursive=True)
        return {run: metrics.get(run, {}) for run in found}

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Optional[Run]:
        """The trial with the best value of the primary metric among all that it has logged.

        Args:
            include_failed: trials that failed count, too.
            include_canceled: trials that were stopped or canceled count, too.
            include_resume_from_runs: trials of the sweeps that this one resumes from count, too.

        Returns:
            The run; None where no trial has logged the metric.
        """
        left = {
            *(() if include_failed else (statuses.FAILED,)),
            *(() if include_canceled else (statuses.CANCELED,)),
        }
        document = self._trials(include_resume_from_runs)
        found = [each for each in _sorted(document) if each["best_primary_metric"] is not None]
        best = next((each for each in found if each["status"] not in left), None)
        return None if best is None else Run.get(self._workspace, str(best["run"]))

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> List[Dict[str, Any]]:
        """The trials from the best to the worst.

        Args:
            top: only so many; 0 for all.
            reverse: from the worst to the best.
            discard_no_metric: leave out those that have not logged the primary metric; else they come last.

        Returns:
            Of each `run_id`, `hyperparameters` (JSON), `best_primary_metric` (None for none) and `status`.
        """
        rows = _sorted(self._trials(), reverse)
        if discard_no_metric:
            rows = [each for each in rows if each["best_primary_metric"] is not None]
        return [
            {
                "run_id": str(each["run"]),
                "hyperparameters": _values(each),
                "best_primary_metric": each["best_primary_metric"],
                "status": each["status"],
            }
            for each in (rows[:top] if top else rows)
        ]

    def fail(self, error_details: object = None, error_code: object = None, _set_status: bool = True) -> NoReturn:
        """A sweep ends with its trials; `cancel()` stops it.

        Args:
            error_details: taken and not used.
            error_code: taken and not used.

        Raises:
            UserErrorException: always.
        """
        raise UserErrorException("A sweep ends with its trials; cancel() stops it.")

    @property
    def _sweep_id(self) -> str:
        """The run that has the trials: a reused step's are those of its source."""
        return str(self._facts().get("reused_from") or self.id)

    def _trials(self, earlier: bool = False) -> Dict[str, Any]:
        asked = {"earlier": "1"} if earlier else {}
        place = self._workspace._path(f"runs/{self._sweep_id}/trials/")
        return dict(self._workspace._client.get(place, **asked))


class HyperDriveStepRun(HyperDriveRun):
    """The run of a `HyperDriveStep` as that of a sweep."""

    def __init__(self, step_run: StepRun) -> None:
        """Nothing is asked before its facts are.

        Args:
            step_run: the run of the step, as `PipelineRun.find_step_run` gives it.

        Raises:
            UserErrorException: it is the run of a step of another kind.
        """
        super().__init__(step_run.experiment, step_run.id, _document=step_run._document)
        kind = (self._facts().get("properties") or {}).get(statuses.STEP_TYPE)
        if kind not in (None, "HyperDriveStep"):
            raise UserErrorException(f"The step '{self.name}' is a {kind}, and no HyperDriveStep.")
        self._step_run = step_run


def _values(each: Dict[str, Any]) -> str:
    return json.dumps(each["hyperparameters"])


def _sorted(document: Dict[str, Any], reverse: bool = False) -> List[Dict[str, Any]]:
    """From the best to the worst, or the other way; without a metric last."""
    sign = -1 if (document["goal"] == "maximize") != reverse else 1
    rows: List[Dict[str, Any]] = list(document["items"])

    def place(each: Dict[str, Any]) -> Any:
        value = each["best_primary_metric"]
        return (value is None, 0 if value is None else sign * value, each["number"])

    return sorted(rows, key=place)
