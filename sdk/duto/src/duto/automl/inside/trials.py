"""One trial: fit a model on each fold, compare, fit it on all rows, and keep it. In a process of its own, so that one that
takes too long or too much is ended, and costs itself alone.
"""

from __future__ import annotations

import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import joblib
import numpy
from flaml.automl.task.factory import task_factory

from duto.automl.inside import metrics, models
from duto.automl.inside.features import transformer_of
from duto.automl.inside.folds import Data
from duto.automl.inside.forecasting import LAG, WINDOW, Forecaster
from duto.spec.automl import STACK, Featurization, Settings


@dataclass
class Job:
    """What a trial fits: a learner of FLAML under a configuration, or an ensemble (`model`) of such `members`."""

    number: int
    model: str
    learner: str
    config: Mapping[str, Any]
    target: Path
    members: Sequence[Tuple[str, str, Mapping[str, Any]]] = ()


@dataclass
class Outcome:
    """What came of it: metrics, or an error, whose last word is `why`."""

    number: int
    metrics: Mapping[str, float]
    seconds: float
    error: str = ""
    why: str = ""


class Fitting:
    """Fits and compares, on the data and by the settings of a step."""

    def __init__(self, settings: Settings, data: Data, cores: int) -> None:
        self.settings, self.data, self.cores = settings, data, cores
        self.classes = numpy.unique(data.labels) if settings.is_classification else None
        least, most = data.span if self.classes is None else (0.0, 0.0)
        self.span = (
            least if settings.y_min is None else settings.y_min,
            most if settings.y_max is None else settings.y_max,
        )
        name = "regression" if self.classes is None else "binary" if len(self.classes) < 3 else "multiclass"
        self.task: Any = task_factory(name)
        self.transformer, self.notes = transformer_of(*self._columns())

    @property
    def shape(self) -> Tuple[int, int]:
        """How many rows there are, and features."""
        made = self.transformer.fit(self._with_past(self.data.features).iloc[self.data.rows])
        return len(self.data.rows), int(made.transform(self._with_past(self.data.features).iloc[:1]).shape[1])

    def takes_weights(self, learner: str) -> bool:
        """Whether a learner of FLAML can fit rows of different weight."""
        return learner not in models.UNWEIGHTED

    def _columns(self) -> Tuple[Any, Featurization]:
        """The columns that features are made of, and how."""
        wanted, forecasting = self.settings.featurization, self.settings.forecasting
        if forecasting is None:
            return self.data.features, wanted
        known = dict.fromkeys(forecasting.time_series_id_column_names, "Categorical")
        known[forecasting.time_column_name] = "DateTime"
        purposes = {**known, **wanted.column_purposes}
        return self._with_past(self.data.features), Featurization(False, wanted.drop_columns, purposes, wanted.imputers)

    def _with_past(self, frame: Any) -> Any:
        """The frame with columns for the past of the label, as a `Forecaster` adds them; what is in them is no matter."""
        forecasting = self.settings.forecasting
        if forecasting is None:
            return frame
        names = [f"{LAG}{lag}" for lag in forecasting.target_lags]
        names += [f"{WINDOW}{forecasting.target_rolling_window_size}"] if forecasting.target_rolling_window_size else []
        return frame.assign(**dict.fromkeys(names, self.data.labels))

    def model_of(self, job: Job) -> Any:
        """What a job fits, not fitted yet."""
        if job.members:
            members = [(name, self._single(name, learner, config)) for name, learner, config in job.members]
            make = models.stack_of if job.model == STACK else models.voting_of
            made = make(members, self.settings.is_classification)
        else:
            made = self._single(job.model, job.learner, job.config)
        wanted = self.settings.forecasting
        if wanted is None:
            return made
        return Forecaster(
            made,
            wanted.time_column_name,
            wanted.time_series_id_column_names,
            wanted.target_lags,
            wanted.target_rolling_window_size,
        )

    def _single(self, model: str, learner: str, config: Mapping[str, Any]) -> Any:
        estimator = models.learner_of(learner, config, self.task, self.cores)
        return models.model_of(learner, model, self.transformer, estimator)

    def scores(self, job: Job) -> Dict[str, float]:
        """The metrics of a job, their means over the folds."""
        model = self.model_of(job)
        return metrics.mean([self._on_fold(model, *fold) for fold in self.data.folds])

    def _on_fold(self, model: Any, learned: Any, compared: Any) -> Dict[str, float]:
        data = self.data
        weights = None if data.weights is None else data.weights[learned]
        made = models.fitted(model, data.features.iloc[learned], data.labels[learned], weights)
        rows, truth = data.features.iloc[compared], data.labels[compared]
        weights = None if data.weights is None else data.weights[compared]
        if self.classes is None:
            return metrics.regression(truth, made.predict(rows), self.span, weights)
        likely = models.probabilities(made, rows, self.classes)
        return metrics.classification(truth, made.predict(rows), likely, self.classes, weights)

    def final(self, job: Job) -> Any:
        """The model of a job, fitted on all rows to learn from."""
        data = self.data
        weights = None if data.weights is None else data.weights[data.rows]
        return models.fitted(self.model_of(job), data.features.iloc[data.rows], data.labels[data.rows], weights)

    def run(self, job: Job) -> Outcome:
        """Do a trial; what goes wrong in it is its outcome."""
        began = time.monotonic()
        try:
            found = self.scores(job)
            if self.settings.primary_metric not in found:
                raise ValueError(metrics.why_no_metric(self.settings.primary_metric))
            job.target.mkdir(parents=True, exist_ok=True)
            joblib.dump(self.final(job), job.target / "model.pkl", compress=3)
        except Exception as error:
            # The first line: XGBoost's errors go on with addresses of functions, scikit-learn's with advice.
            why = traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[0]
            return Outcome(job.number, {}, time.monotonic() - began, traceback.format_exc(), why)
        return Outcome(job.number, found, time.monotonic() - began)


def serve(connection: Any, settings: Settings, data: Path, cores: int) -> None:
    """The life of a process of trials: one job after the other, until its driver is gone."""
    warnings.filterwarnings("ignore")
    fitting: Optional[Fitting] = None
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        fitting = fitting or Fitting(settings, joblib.load(data), cores)
        connection.send(None)  # what was imported and read until now is no part of the trial
        connection.send(fitting.run(job))
