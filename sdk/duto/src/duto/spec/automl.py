"""The settings of a step of automated machine learning: what they may be, and what FLAML tries of Azure ML's models. Pure.

The SDK checks them when a configuration is made, the studio when a graph comes in; the step's driver (`duto.automl`)
reads them when its run has begun.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from duto.spec import readers

KIND = "automl"
CLASSIFICATION, REGRESSION, FORECASTING = "classification", "regression", "forecasting"
TASKS = (CLASSIFICATION, REGRESSION, FORECASTING)
# The curated environment in which trials run.
ENVIRONMENT = "AzureML-AutoML"
MODEL, METRICS = "model", "metrics"
AUTO = "auto"

_OF_REGRESSION = {
    "spearman_correlation": True,
    "normalized_root_mean_squared_error": False,
    "r2_score": True,
    "normalized_mean_absolute_error": False,
    "normalized_root_mean_squared_log_error": False,
}
# By task the metrics that may be the primary one, each with whether more of it is better. The first is the default.
PRIMARY_METRICS: Dict[str, Dict[str, bool]] = {
    CLASSIFICATION: {
        "accuracy": True,
        "AUC_weighted": True,
        "norm_macro_recall": True,
        "average_precision_score_weighted": True,
        "precision_score_weighted": True,
    },
    REGRESSION: _OF_REGRESSION,
    FORECASTING: _OF_REGRESSION,
}
DEFAULT_METRICS = {
    CLASSIFICATION: "accuracy",
    REGRESSION: "normalized_root_mean_squared_error",
    FORECASTING: "normalized_root_mean_squared_error",
}
_BOTH = {
    "LightGBM": ("lgbm",),
    "RandomForest": ("rf",),
    "ExtremeRandomTrees": ("extra_tree",),
    "GradientBoosting": ("histgb",),
    "KNN": ("kneighbor",),
    "SGD": ("sgd",),
}
_FOR_NUMBERS = {
    **_BOTH,
    "XGBoostRegressor": ("xgboost", "xgb_limitdepth"),
    "ElasticNet": ("enet",),
    "LassoLars": ("lassolars",),
}
# By task Azure ML's names of models, each with FLAML's names of the learners that it is.
LEARNERS: Dict[str, Dict[str, Tuple[str, ...]]] = {
    CLASSIFICATION: {
        **_BOTH,
        "XGBoostClassifier": ("xgboost", "xgb_limitdepth"),
        "LogisticRegression": ("lrl1", "lrl2"),
        "LinearSVM": ("svc",),
    },
    REGRESSION: _FOR_NUMBERS,
    FORECASTING: _FOR_NUMBERS,
}
VOTING, STACK = "VotingEnsemble", "StackEnsemble"
# Models of Azure ML that FLAML's learners are none of: they are never tried, so they may be blocked.
ABSENT = (
    "Arimax",
    "AutoArima",
    "Average",
    "AveragedPerceptronClassifier",
    "BernoulliNaiveBayes",
    "DecisionTree",
    "ExponentialSmoothing",
    "FastLinearRegressor",
    "MultinomialNaiveBayes",
    "Naive",
    "OnlineGradientDescentRegressor",
    "Prophet",
    "SVM",
    "SeasonalAverage",
    "SeasonalNaive",
    "TCNForecaster",
    "TabnetClassifier",
    "TabnetRegressor",
    "TensorFlowDNN",
    "TensorFlowLinearClassifier",
    "TensorFlowLinearRegressor",
)
PURPOSES = ("Numeric", "Categorical", "CategoricalHash", "DateTime", "Ignore")
STRATEGIES = ("mean", "median", "most_frequent", "constant")


@dataclass(frozen=True)
class Featurization:
    """How columns become features: by `column_purposes` where they name one, else by what a column holds. With `is_off`
    they are taken as they are."""

    is_off: bool = False
    drop_columns: Tuple[str, ...] = ()
    column_purposes: Mapping[str, str] = field(default_factory=dict)
    # Of columns of numbers: what stands in for a gap, as scikit-learn's SimpleImputer has it.
    imputers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecasting:
    """What a forecast is of. None of `cv_step_size` is the horizon."""

    time_column_name: str
    forecast_horizon: int = 1
    time_series_id_column_names: Tuple[str, ...] = ()
    target_lags: Tuple[int, ...] = ()
    target_rolling_window_size: Optional[int] = None
    cv_step_size: Optional[int] = None


@dataclass(frozen=True)
class Made:
    """What an output of the step holds: the metrics of all trials, or the model of one: of the best by the primary metric,
    of the best by another, or of an iteration."""

    kind: str
    iteration: Optional[int] = None
    metric: Optional[str] = None


@dataclass(frozen=True)
class Settings:
    """The settings of a step. `training_data` and `validation_data` are inputs of it; `models` are Azure ML's names."""

    task: str
    primary_metric: str
    label_column_name: str
    training_data: str
    models: Tuple[str, ...]
    validation_data: Optional[str] = None
    weight_column_name: Optional[str] = None
    cv_split_column_names: Tuple[str, ...] = ()
    n_cross_validations: Optional[int] = None
    validation_size: Optional[float] = None
    iterations: int = 1000
    max_concurrent_iterations: int = 1
    max_cores_per_iteration: int = 1
    experiment_timeout_minutes: Optional[float] = None
    iteration_timeout_minutes: Optional[float] = None
    experiment_exit_score: Optional[float] = None
    enable_early_stopping: bool = True
    enable_voting_ensemble: bool = False
    enable_stack_ensemble: bool = False
    exclude_nan_labels: bool = True
    y_min: Optional[float] = None
    y_max: Optional[float] = None
    featurization: Featurization = field(default_factory=Featurization)
    forecasting: Optional[Forecasting] = None
    outputs: Mapping[str, Made] = field(default_factory=dict)

    @property
    def is_classification(self) -> bool:
        """Whether the label is one of several classes."""
        return self.task == CLASSIFICATION

    @property
    def is_greater_better(self) -> bool:
        """Whether more of the primary metric is better."""
        return PRIMARY_METRICS[self.task][self.primary_metric]

    @property
    def learners(self) -> Dict[str, str]:
        """FLAML's names of the learners that are tried, each with Azure ML's."""
        known = LEARNERS[self.task]
        return {learner: model for model in self.models for learner in known[model]}


def is_greater_better(metric: str) -> bool:
    """Whether more of a metric is better, whatever the task."""
    return not any(each in metric for each in ("error", "loss"))


# What a result does not depend on.
UNRELATED = ("max_concurrent_iterations", "max_cores_per_iteration")


def _share(value: Any) -> float:
    found = readers.number(value)
    if found is None or not 0 < found < 1:
        raise ValueError(f"{value!r} is no share between 0 and 1.")
    return found


def _any_number(value: Any) -> float:
    found = readers.number(value)
    if found is None:
        raise ValueError(f"{value!r} is no number.")
    return found


def _cores(value: Any) -> int:
    return -1 if value == -1 and not isinstance(value, bool) else readers.whole(1, 10_000)(value)


def _lags(value: Any) -> Tuple[int, ...]:
    given = value if isinstance(value, (list, tuple)) else [value]
    return tuple(sorted({readers.whole(1, 2000)(each) for each in given}))


def _purposes(value: Any) -> Dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no object of purposes by column.")
    purpose = readers.one_of(PURPOSES, str)
    return {readers.name(column): purpose(each) for column, each in value.items()}


def _imputers(value: Any) -> Dict[str, Dict[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
        raise ValueError(f"{value!r} is no object of settings by column.")
    strategy = readers.one_of(STRATEGIES, str)
    found = {}
    for column, each in value.items():
        if set(each) - {"strategy", "fill_value"}:
            raise ValueError(f"{dict(each)!r} holds more than strategy and fill_value.")
        found[readers.name(column)] = {**each, "strategy": strategy(each.get("strategy", "mean"))}
    return found


def _part(what: str, kind: Any, known: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """A reader of an object that is itself a part of the settings."""

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r:.80} is no object.")
        found, wrong = _read(value, known, what)
        if wrong:
            raise ValueError(" ".join(wrong))
        try:
            return kind(**found)
        except TypeError as error:
            raise ValueError(f"{dict(value)!r:.80} is not whole: {error}.") from error

    return read


def _outputs(value: Any) -> Dict[str, Made]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no object of outputs.")
    known = {"kind": readers.one_of((MODEL, METRICS), str), "iteration": readers.whole(0), "metric": readers.name}
    one = _part("an output", Made, known)
    return {readers.name(output): one(each) for output, each in value.items()}


_FEATURIZATION: Dict[str, Callable[[Any], Any]] = {
    "is_off": readers.flag,
    "drop_columns": readers.names,
    "column_purposes": _purposes,
    "imputers": _imputers,
}
_FORECASTING: Dict[str, Callable[[Any], Any]] = {
    "time_column_name": readers.name,
    "forecast_horizon": readers.whole(1, 10_000),
    "time_series_id_column_names": readers.names,
    "target_lags": _lags,
    "target_rolling_window_size": readers.whole(2, 2000),
    "cv_step_size": readers.whole(1, 10_000),
}
READERS: Dict[str, Callable[[Any], Any]] = {
    "task": readers.one_of(TASKS, str.lower),
    "primary_metric": readers.name,
    "label_column_name": readers.name,
    "training_data": readers.name,
    "validation_data": readers.name,
    "weight_column_name": readers.name,
    "cv_split_column_names": readers.names,
    "models": readers.names,
    "n_cross_validations": readers.whole(2, 1000),
    "validation_size": _share,
    "iterations": readers.whole(1, 10_000),
    "max_concurrent_iterations": readers.whole(1, 1000),
    "max_cores_per_iteration": _cores,
    "experiment_timeout_minutes": readers.above_zero("minutes"),
    "iteration_timeout_minutes": readers.above_zero("minutes"),
    "experiment_exit_score": _any_number,
    "enable_early_stopping": readers.flag,
    "enable_voting_ensemble": readers.flag,
    "enable_stack_ensemble": readers.flag,
    "exclude_nan_labels": readers.flag,
    "y_min": _any_number,
    "y_max": _any_number,
    "featurization": _part("featurization", Featurization, _FEATURIZATION),
    "forecasting": _part("the forecasting parameters", Forecasting, _FORECASTING),
    "outputs": _outputs,
}
_NEEDED = ("task", "primary_metric", "label_column_name", "training_data", "models")


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings of a document. Raises `ValueError` that names all that is wrong."""
    found, wrong = _read(document, READERS, "a step of automated machine learning")
    wrong += _together(document, found)
    if wrong:
        raise ValueError(" ".join(wrong))
    return Settings(**found)


def problems_of(document: Mapping[str, Any]) -> List[str]:
    """What is wrong with the settings of a graph, each as a sentence."""
    found, wrong = _read(document, READERS, "a step of automated machine learning")
    return wrong + _together(document, found)


def _read(
    document: Mapping[str, Any], known: Mapping[str, Callable[[Any], Any]], what: str
) -> Tuple[Dict[str, Any], List[str]]:
    found: Dict[str, Any] = {}
    wrong: List[str] = []
    for name, value in document.items():
        if name not in known:
            wrong.append(f"there is no setting {name!r} of {what}.")
        elif value is not None:
            try:
                found[name] = known[name](value)
            except ValueError as error:
                wrong.append(f"{name}={error}")
    return found, wrong


def _together(document: Mapping[str, Any], found: Mapping[str, Any]) -> List[str]:
    wrong = [f"{name} is missing." for name in _NEEDED if document.get(name) in (None, "", [], ())]
    task = found.get("task")
    if task in TASKS:
        wrong += _of_task(str(task), found)
    folds = [name for name in ("n_cross_validations", "validation_size") if found.get(name) is not None]
    if found.get("validation_data") and (folds or found.get("cv_split_column_names")):
        given = ", ".join([*folds, *(["cv_split_column_names"] if found.get("cv_split_column_names") else [])])
        wrong.append(f"validation_data and {given} both say what trials are compared on: give one of them.")
    least, most = found.get("y_min"), found.get("y_max")
    if least is not None and most is not None and least >= most:
        wrong.append(f"y_min={least:g} is not less than y_max={most:g}.")
    if folds and found.get("cv_split_column_names"):
        wrong.append(f"cv_split_column_names and {', '.join(folds)} both say how rows are split: give one of them.")
    return wrong


def _of_task(task: str, found: Mapping[str, Any]) -> List[str]:
    metric, wrong = found.get("primary_metric"), []
    if metric is not None and metric not in PRIMARY_METRICS[task]:
        known = ", ".join(PRIMARY_METRICS[task])
        wrong.append(f"primary_metric={metric!r} is none of those of {task}: {known}.")
    unknown = [name for name in found.get("models", ()) if name not in LEARNERS[task]]
    if unknown:
        wrong.append(f"models={unknown[0]!r} is none of those of {task}: {', '.join(LEARNERS[task])}.")
    if task == FORECASTING:
        if found.get("forecasting") is None:
            wrong.append("forecasting needs forecasting_parameters, at least their time_column_name.")
        wrong += [
            f"{name} is nothing for forecasting: its folds follow the time, n_cross_validations of them."
            for name in ("validation_size", "cv_split_column_names")
            if found.get(name)
        ]
        if found.get("weight_column_name"):
            wrong.append("weight_column_name is nothing for forecasting.")
        if getattr(found.get("featurization"), "is_off", False):
            wrong.append("featurization='off' is nothing for forecasting: times have to become features.")
        if found.get("enable_stack_ensemble"):
            wrong.append("enable_stack_ensemble is nothing for forecasting.")
    elif found.get("forecasting") is not None:
        wrong.append(f"forecasting_parameters are nothing for {task}: let task be 'forecasting'.")
    return wrong
