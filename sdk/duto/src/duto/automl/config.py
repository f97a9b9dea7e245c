"""What automated machine learning is to do: data, label, metric, what is tried, and when it is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from duto.automl.featurization import FeaturizationConfig
from duto.automl.forecasting_parameters import NAMES as OF_FORECASTS
from duto.automl.forecasting_parameters import ForecastingParameters
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.dataset import AbstractDataset
from duto.data.output_config import OutputTabularDatasetConfig
from duto.data.pipeline_data import PipelineOutputTabularDataset
from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.spec import automl, readers

if TYPE_CHECKING:
    import duto

    Table = Union[
        duto.TabularDataset, DatasetConsumptionConfig, PipelineOutputTabularDataset, OutputTabularDatasetConfig
    ]

# Older names of settings.
_OLD = {
    "blacklist_models": "blocked_models",
    "blacklist_algos": "blocked_models",
    "whitelist_models": "allowed_models",
    "concurrent_iterations": "max_concurrent_iterations",
    "max_time_sec": "iteration_timeout_seconds",
    "exit_score": "experiment_exit_score",
    "enable_ensembling": "enable_voting_ensemble",
    "enable_stack_ensembling": "enable_stack_ensemble",
    "preprocess": "featurization",
}
# Settings that nothing here does what they say of, and why.
_REFUSED = {
    "X": "give training_data, a TabularDataset with the label among its columns, and label_column_name",
    "y": "give training_data, a TabularDataset with the label among its columns, and label_column_name",
    "X_valid": "give validation_data, a TabularDataset with the label among its columns",
    "y_valid": "give validation_data, a TabularDataset with the label among its columns",
    "sample_weight": "name a column of training_data as weight_column_name",
    "sample_weight_valid": "name a column of validation_data as weight_column_name",
    "cv_splits_indices": "name columns of training_data as cv_split_column_names",
    "spark_context": "trials run on a node of the compute target",
    "enable_dnn": "no deep learning is tried",
    "enable_tf": "no deep learning is tried",
    "enable_onnx_compatible_models": "models are those of scikit-learn, LightGBM and XGBoost",
    "test_data": "ask the model of get_output() for its predictions, and compare them",
    "test_size": "ask the model of get_output() for its predictions, and compare them",
    "positive_label": "metrics are means over the classes",
    "data_script": "give training_data, a TabularDataset",
}
_UNUSED = {
    "path": "training_data is read in the step.",
    "num_classes": "the label tells its classes.",
    "mem_in_mb": "the size of the cluster bounds the memory.",
    "enforce_time_on_windows": "hosts run Linux.",
    "enable_local_managed": "trials run in the studio.",
}
# Settings that are no arguments: those that are taken, and those that change nothing, with why.
_TAKEN = ("experiment_timeout_minutes", "data_script", "is_timeseries")
_MORE = {
    **dict.fromkeys(_TAKEN, ""),
    "auto_blacklist": "a learner whose trials all fail is left by itself.",
    "enable_subsampling": "trials see all rows.",
    "show_output": "Experiment.submit takes it.",
}


class AutoMLConfig:
    """A search over learners and their hyperparameters. Submit it to an `Experiment`, or make an `AutoMLStep` of it. See
    docs/automl.md.

    Attributes:
        task: as given.
        compute_target: as given.
        user_settings: what it was made with, under today's names.
    """

    def __init__(
        self,
        task: str,
        path: Optional[str] = None,
        iterations: Optional[int] = None,
        primary_metric: Optional[str] = None,
        positive_label: object = None,
        compute_target: Union[duto.ComputeTarget, str, None] = None,
        spark_context: object = None,
        X: object = None,
        y: object = None,
        sample_weight: object = None,
        X_valid: object = None,
        y_valid: object = None,
        sample_weight_valid: object = None,
        cv_splits_indices: object = None,
        validation_size: Optional[float] = None,
        n_cross_validations: Union[int, str, None] = None,
        y_min: Optional[float] = None,
        y_max: Optional[float] = None,
        num_classes: Optional[int] = None,
        featurization: Union[str, FeaturizationConfig] = "auto",
        max_cores_per_iteration: int = 1,
        max_concurrent_iterations: int = 1,
        iteration_timeout_minutes: Optional[float] = None,
        mem_in_mb: Optional[int] = None,
        enforce_time_on_windows: bool = False,
        experiment_timeout_hours: Optional[float] = None,
        experiment_exit_score: Optional[float] = None,
        enable_early_stopping: bool = True,
        blocked_models: Optional[Sequence[str]] = None,
        blacklist_models: Optional[Sequence[str]] = None,
        exclude_nan_labels: bool = True,
        verbosity: int = 20,
        enable_tf: bool = False,
        model_explainability: bool = True,
        allowed_models: Optional[Sequence[str]] = None,
        whitelist_models: Optional[Sequence[str]] = None,
        enable_onnx_compatible_models: bool = False,
        enable_voting_ensemble: bool = True,
        enable_stack_ensemble: Optional[bool] = None,
        debug_log: str = "automl.log",
        training_data: Optional[Table] = None,
        validation_data: Optional[Table] = None,
        test_data: object = None,
        test_size: Optional[float] = None,
        label_column_name: Optional[str] = None,
        weight_column_name: Optional[str] = None,
        cv_split_column_names: Optional[Sequence[str]] = None,
        enable_local_managed: bool = False,
        enable_dnn: Optional[bool] = None,
        forecasting_parameters: Optional[ForecastingParameters] = None,
        **kwargs: Any,
    ) -> None:
        """Nothing is read or sent before it is submitted.

        Args:
            task: `classification`, `regression` or `forecasting`.
            path: passed over with a warning: the data are read in the step.
            iterations: the most trials; None for 1000.
            primary_metric: what trials are compared by; None for `accuracy`, of numbers
                `normalized_root_mean_squared_error`.
            positive_label: refused.
            compute_target: a cluster, or its name; None for the workspace's default.
            spark_context: refused.
            X: refused: give `training_data`.
            y: refused: give `label_column_name`.
            sample_weight: refused: give `weight_column_name`.
            X_valid: refused: give `validation_data`.
            y_valid: refused: give `validation_data`.
            sample_weight_valid: refused.
            cv_splits_indices: refused: give `cv_split_column_names`.
            validation_size: the part of the rows that trials are compared on; with `n_cross_validations` so many such
                parts.
            n_cross_validations: how many folds; None or `auto` chooses by the number of rows.
            y_min: the least label there may be, which errors are normalized by; None for that of the data.
            y_max: the greatest.
            num_classes: passed over with a warning.
            featurization: `auto`, `off`, or a `FeaturizationConfig`.
            max_cores_per_iteration: cores of a trial; -1 for as many as there are for it.
            max_concurrent_iterations: trials at once, all on the step's node; no more than it has cores.
            iteration_timeout_minutes: minutes that a trial may take; then it is ended, and has failed.
            mem_in_mb: passed over with a warning.
            enforce_time_on_windows: passed over with a warning.
            experiment_timeout_hours: hours after which no trial starts, and those at work are ended.
            experiment_exit_score: a value of the primary metric that is good enough.
            enable_early_stopping: stop where FLAML would: when every learner has come to an end of its descent.
            blocked_models: models that are not tried, by Azure ML's names.
            blacklist_models: an older name of `blocked_models`.
            exclude_nan_labels: leave rows without a label out; else they are an error.
            verbosity: taken and not used.
            enable_tf: refused where it is True.
            model_explainability: taken and not used: models are not explained.
            allowed_models: the models that are tried; None for all.
            whitelist_models: an older name of `allowed_models`.
            enable_onnx_compatible_models: refused where it is True.
            enable_voting_ensemble: one more trial, the mean of the best of each learner. Not with weights.
            enable_stack_ensemble: one more trial, a model of the best of each learner; None for none.
            debug_log: taken and not used: the step has a log.
            training_data: a `TabularDataset`, or another step's output that is read as one.
            validation_data: the same, to compare trials on.
            test_data: refused.
            test_size: refused.
            label_column_name: the column that is to be predicted.
            weight_column_name: a column of weights of rows.
            cv_split_column_names: columns that are folds: 1 for a row to learn from, 0 for one to compare on.
            enable_local_managed: passed over with a warning.
            enable_dnn: refused where it is True.
            forecasting_parameters: of a forecast.
            kwargs: `experiment_timeout_minutes`; the settings of `ForecastingParameters` by their names; older names of
                settings, such as `concurrent_iterations`.

        Raises:
            UserErrorException: what is wrong with it, every problem by name.
        """
        given: Dict[str, Any] = {**locals()}
        del given["self"], given["kwargs"]
        for name in ("blacklist_models", "whitelist_models"):
            kwargs[name] = given.pop(name)
        forecast = {name: kwargs.pop(name) for name in OF_FORECASTS if name in kwargs}
        given.update(_renamed(kwargs))
        _refuse(given)
        used = {name: given.pop(name) for name in _UNUSED}
        for name, value in used.items():
            passed_over("AutoMLConfig", _UNUSED[name], **{name: value})
        for name in (*_REFUSED, "verbosity", "debug_log", "model_explainability"):
            given.pop(name, None)
        self.task, self.compute_target = task, compute_target
        self.user_settings: Dict[str, Any] = {**given, **forecast}
        self._tables = {
            name: _table(name, given[name]) for name in ("training_data", "validation_data") if given[name] is not None
        }
        if given.pop("is_timeseries", False) and str(task).lower() != automl.FORECASTING:
            raise UserErrorException(f"is_timeseries=True is of the task 'forecasting', not of {task!r}.")
        if forecast and forecasting_parameters is None:
            given["forecasting_parameters"] = ForecastingParameters(**forecast)
        elif forecast:
            raise UserErrorException(
                f"{', '.join(forecast)} belongs into forecasting_parameters, which are given, too."
            )
        self._settings = _settings(given, self._tables)
        wrong = automl.problems_of(self._settings)
        if wrong:
            raise UserErrorException(" ".join(["This AutoMLConfig cannot be used:", *wrong]))

    def as_serializable_dict(self) -> Dict[str, Any]:
        """The settings as a graph has them.

        Returns:
            Values by name.
        """
        return dict(self._settings)

    @staticmethod
    def get_supported_dataset_languages(use_gpu: bool) -> Dict[str, str]:
        """The languages in which texts would be read; texts are categories here.

        Args:
            use_gpu: taken and not used.

        Returns:
            None of them.
        """
        return {}

    @property
    def _inputs(self) -> List[Any]:
        return list(self._tables.values())


def get_primary_metrics(task: str) -> List[str]:
    """The metrics that trials of a task may be compared by.

    Args:
        task: `classification`, `regression` or `forecasting`.

    Returns:
        Their names.

    Raises:
        UserErrorException: another task.
    """
    if task not in automl.TASKS:
        raise UserErrorException(f"The task {task!r} is none of {', '.join(automl.TASKS)}.")
    return list(automl.PRIMARY_METRICS[task])


def _renamed(kwargs: Mapping[str, Any]) -> Dict[str, Any]:
    """Settings that are no arguments, and older names, under today's. Raises `UserErrorException` for what is none."""
    found: Dict[str, Any] = {}
    unheard = [name for name in kwargs if name not in (*_OLD, *_MORE)]
    if unheard:
        raise UserErrorException(f"AutoMLConfig knows no {', '.join(unheard)}.")
    for name, value in kwargs.items():
        if value is None:
            continue
        if name == "max_time_sec":
            found["iteration_timeout_minutes"] = value / 60
        elif name == "preprocess":
            found["featurization"] = "auto" if value else "off"
        elif name in _OLD:
            found[_OLD[name]] = value
        elif name in _TAKEN:
            found[name] = value
        else:
            passed_over("AutoMLConfig", _MORE[name], **{name: value})
    return found


def _refuse(given: Mapping[str, Any]) -> None:
    """Raises `UserErrorException` for all that is refused, by name."""
    wrong = []
    if str(given["task"]).lower().startswith(("image", "text")):
        wrong.append(f"task={given['task']!r} (no deep learning is tried)")
    for name, why in _REFUSED.items():
        if given.get(name) is not None and given[name] is not False:
            wrong.append(f"{name} ({why})")
    if wrong:
        raise UserErrorException(f"AutoMLConfig does not take {'; '.join(wrong)}.")


def _table(name: str, given: Any) -> Any:
    """A table as an input of the step, under the name of the setting unless it has one. Raises `UserErrorException`."""
    if isinstance(given, AbstractDataset):
        if given.kind != "tabular":
            raise UserErrorException(f"{name} is a TabularDataset, and not one of files: Dataset.Tabular makes one.")
        return given.as_named_input(name)
    if isinstance(given, PipelineOutputTabularDataset):
        return given if given.input_name else given.as_named_input(name)
    if isinstance(given, OutputTabularDatasetConfig):
        return given.as_input(name)
    if isinstance(given, DatasetConsumptionConfig):
        return given
    more = ""
    if hasattr(given, "iloc") or hasattr(given, "dtype"):
        more = ": register it by Dataset.Tabular.register_pandas_dataframe(frame, datastore, name)"
    raise UserErrorException(f"{name} is a TabularDataset, not {type(given).__name__}{more}.")


def _name_of(table: Any) -> str:
    """The name of the input that a table is."""
    return str(table.input_name if isinstance(table, PipelineOutputTabularDataset) else table.name)


def _settings(given: Mapping[str, Any], tables: Mapping[str, Any]) -> Dict[str, Any]:
    """The settings as a graph has them."""
    task = str(given["task"]).lower()
    minutes = given.get("experiment_timeout_minutes")
    if given["experiment_timeout_hours"] is not None:
        if minutes is not None:
            raise UserErrorException("Give one of experiment_timeout_hours and experiment_timeout_minutes.")
        minutes = 60 * _hours(given["experiment_timeout_hours"])
    weighted = given["weight_column_name"] is not None
    if weighted:
        passed_over("AutoMLConfig", "rows have weights.", enable_stack_ensemble=given["enable_stack_ensemble"])
    forecasting: Any = given["forecasting_parameters"]
    if forecasting is not None and not isinstance(forecasting, ForecastingParameters):
        raise UserErrorException(f"forecasting_parameters are ForecastingParameters, not {forecasting!r:.80}.")
    folds = given["n_cross_validations"]
    found = {
        "task": task,
        "primary_metric": given["primary_metric"] or automl.DEFAULT_METRICS.get(task),
        "models": _models(task, given["allowed_models"], given["blocked_models"]),
        "n_cross_validations": None if folds == automl.AUTO else folds,
        "experiment_timeout_minutes": minutes,
        "cv_split_column_names": _list(given["cv_split_column_names"]),
        "featurization": _featurization(given["featurization"], forecasting),
        "forecasting": None if forecasting is None else forecasting._document(),
        "enable_voting_ensemble": bool(given["enable_voting_ensemble"]) and not weighted,
        "enable_stack_ensemble": bool(given["enable_stack_ensemble"]) and not weighted,
        **{name: _name_of(table) for name, table in tables.items()},
    }
    taken = {name: given[name] for name in automl.READERS if name in given and name not in found}
    return {name: value for name, value in {**taken, **found}.items() if value not in (None, [], {})}


def _hours(given: Any) -> float:
    try:
        return readers.above_zero("hours")(given)
    except ValueError as error:
        raise UserErrorException(f"This AutoMLConfig cannot be used: experiment_timeout_hours={error}") from error


def _models(task: str, allowed: Optional[Sequence[str]], blocked: Optional[Sequence[str]]) -> List[str]:
    """The models that are tried. Raises `UserErrorException` for names that are none, and where none is left."""
    known = automl.LEARNERS.get(task, {})
    for what, names in (("allowed_models", _list(allowed)), ("blocked_models", _list(blocked))):
        others = {name for each in automl.LEARNERS.values() for name in each}
        none = [name for name in names if name not in (*others, *automl.ABSENT, automl.VOTING, automl.STACK)]
        if none:
            raise UserErrorException(f"{what} names {', '.join(map(repr, none))}, which are no models of Azure ML.")
    wanted = [name for name in known if allowed is None or name in _list(allowed)]
    left = [name for name in wanted if name not in _list(blocked)]
    missing = [name for name in _list(allowed) if name not in known]
    if known and not left:
        raise UserErrorException(
            f"allowed_models and blocked_models leave nothing to try of what FLAML has for {task}: {', '.join(known)}."
        )
    if missing:
        passed_over("AutoMLConfig", f"FLAML has no {', '.join(missing)} for {task}.", allowed_models=missing)
    return left


def _featurization(given: Any, forecasting: Optional[ForecastingParameters]) -> Dict[str, Any]:
    if isinstance(given, FeaturizationConfig):
        found = given._document()
    elif given in ("auto", "off"):
        found = {"is_off": True} if given == "off" else {}
    else:
        raise UserErrorException(f"featurization is 'auto', 'off' or a FeaturizationConfig, not {given!r:.80}.")
    unknown = forecasting.features_unknown_at_forecast_time if forecasting is not None else []
    if unknown:
        found["drop_columns"] = [*found.get("drop_columns", ()), *unknown]
    return {name: value for name, value in found.items() if value}


def _list(given: Any) -> List[str]:
    return [given] if isinstance(given, str) else list(given or ())
