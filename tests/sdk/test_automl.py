"""Automated machine learning as programs ask for it: its settings in the graph, and what is refused by name."""

from __future__ import annotations

import inspect
import json
import warnings
from typing import Any

import pytest

from duto import (
    AutoMLConfig,
    AutoMLStep,
    Dataset,
    FeaturizationConfig,
    ForecastingParameters,
    PipelineData,
    TrainingOutput,
    UserErrorException,
    get_primary_metrics,
)
from duto.spec import automl
from duto.spec.kinds import KINDS
from tests.sdk.test_other_steps import graph_of

TABLE = Dataset.Tabular.from_delimited_files("https://data.example/penguins.csv")
LEAST: dict[str, Any] = {"task": "classification", "training_data": TABLE, "label_column_name": "species"}


def config(**more: Any) -> AutoMLConfig:
    return AutoMLConfig(**{**LEAST, **more})


def settings(**more: Any) -> automl.Settings:
    return automl.settings_of(json.loads(json.dumps(config(**more).as_serializable_dict())))


def test_what_is_not_said_is_as_in_azure() -> None:
    found = settings()
    assert (found.primary_metric, found.iterations, found.n_cross_validations) == ("accuracy", 1000, None)
    assert found.enable_early_stopping and found.enable_voting_ensemble and not found.enable_stack_ensemble
    assert found.models == tuple(automl.LEARNERS["classification"]) and found.is_greater_better
    assert found.learners["xgb_limitdepth"] == "XGBoostClassifier"
    numbers = settings(task="regression", label_column_name="mass")
    assert (numbers.primary_metric, numbers.is_greater_better) == ("normalized_root_mean_squared_error", False)


def test_settings_become_those_of_the_graph() -> None:
    found = settings(
        primary_metric="AUC_weighted", iterations=20, n_cross_validations=5, max_concurrent_iterations=4,
        max_cores_per_iteration=-1, experiment_timeout_hours=0.5, iteration_timeout_minutes=3, experiment_exit_score=0.99,
        enable_early_stopping=False, blocked_models=["KNN", "TensorFlowDNN"], enable_stack_ensemble=True, debug_log="a.log",
        verbosity=10, featurization="off", label_column_name="species",
    )  # fmt: skip
    assert (found.experiment_timeout_minutes, found.iteration_timeout_minutes, found.max_cores_per_iteration) == (
        30,
        3,
        -1,
    )
    assert "KNN" not in found.models and len(found.models) == 8 and found.featurization.is_off
    assert found.enable_stack_ensemble and not found.enable_early_stopping and found.training_data == "training_data"


def test_older_names_mean_todays() -> None:
    found = settings(
        whitelist_models=["LightGBM", "KNN"], blacklist_models="KNN", concurrent_iterations=2, preprocess=True,
        experiment_timeout_minutes=15, n_cross_validations="auto", enable_ensembling=False,
    )  # fmt: skip
    assert (found.models, found.max_concurrent_iterations, found.experiment_timeout_minutes) == (("LightGBM",), 2, 15)
    assert found.n_cross_validations is None and not found.enable_voting_ensemble
    old = settings(
        task="forecasting", label_column_name="sold", time_column_name="day", max_horizon=7, grain_column_names=["store"],
        drop_column_names=["weather"], target_lags=[2, 1],
    )  # fmt: skip
    assert old.forecasting == automl.Forecasting("day", 7, ("store",), (1, 2))
    assert old.featurization.drop_columns == ("weather",)


def test_forecasts_and_features_have_settings_of_their_own() -> None:
    features = FeaturizationConfig(drop_columns=["id"], column_purposes={"code": "Categorical"})
    features.add_transformer_params("Imputer", ["age", "fare"], {"strategy": "median"})
    features.add_column_purpose("gone", "Ignore")
    features.remove_column_purpose("gone")
    parameters = ForecastingParameters(
        "day", 14, "store", target_lags="auto", target_rolling_window_size=3, cv_step_size=7
    )
    found = settings(task="forecasting", featurization=features, forecasting_parameters=parameters)
    assert found.forecasting == automl.Forecasting("day", 14, ("store",), (1,), 3, 7)
    assert found.featurization == automl.Featurization(
        False, ("id",), {"code": "Categorical"}, {name: {"strategy": "median"} for name in ("age", "fare")}
    )
    assert features.get_transformer_params("Imputer", ["age", "fare"]) == {"strategy": "median"}
    features.remove_transformer_params("Imputer")
    assert features.transformer_params == {}
    assert ForecastingParameters.from_parameters_dict({"max_horizon": 3}).forecast_horizon == 3


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"enable_dnn": True}, "enable_dnn .no deep learning"),
        ({"enable_tf": True, "spark_context": object()}, "spark_context .*enable_tf"),
        ({"enable_onnx_compatible_models": True}, "enable_onnx_compatible_models"),
        ({"task": "image-object-detection"}, "task='image-object-detection'"),
        ({"task": "clustering"}, "task='clustering' is none of classification, regression, forecasting"),
        ({"X": [[1]], "y": [1]}, "X .give training_data.*; y "),
        ({"test_size": 0.1}, "test_size"),
        ({"primary_metric": "r2_score"}, "none of those of classification: accuracy, AUC_weighted"),
        ({"allowed_models": ["Prophet"]}, "leave nothing to try of what FLAML has for classification: LightGBM"),
        ({"blocked_models": ["Magic"]}, "'Magic', which are no models"),
        ({"iterations": 0}, "iterations=0 is no whole number of at least 1"),
        ({"iterations": 0, "validation_size": 2}, "validation_size=2 .*iterations=0"),
        ({"validation_data": TABLE, "n_cross_validations": 3}, "both say what trials are compared on"),
        ({"training_data": None}, "training_data is missing"),
        ({"label_column_name": None}, "label_column_name is missing"),
        ({"training_data": Dataset.File.from_files("https://data.example/a.csv")}, "training_data is a TabularDataset"),
        ({"training_data": "penguins"}, "training_data is a TabularDataset, not str"),
        ({"task": "forecasting"}, "at least their time_column_name"),
        ({"forecasting_parameters": ForecastingParameters("day")}, "are nothing for classification"),
        ({"featurization": "some"}, "featurization is 'auto', 'off' or"),
        ({"unheard_of": None}, "knows no unheard_of"),
        ({"y_min": 3, "y_max": 3.0}, "y_min=3 is not less than y_max=3"),
        ({"experiment_timeout_hours": 1, "experiment_timeout_minutes": 60}, "one of experiment_timeout_hours and"),
        ({"experiment_timeout_hours": "long"}, "experiment_timeout_hours='long' is no number of hours above 0"),
        ({"experiment_timeout_hours": -1}, "experiment_timeout_hours=-1 is no number of hours above 0"),
        ({"is_timeseries": True}, "is_timeseries=True is of the task 'forecasting'"),
        ({"task": "forecasting", "time_column_name": "day", "use_stl": "season"}, "use_stl=.*not decomposed"),
        ({"task": "forecasting", "time_column_name": "day", "holiday_country": "PT"}, "country_or_region_for_holidays"),
        ({"test_data": TABLE}, "test_data"),
        ({"cv_splits_indices": []}, "cv_splits_indices .name columns"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], text: str) -> None:
    with pytest.raises(UserErrorException, match=text):
        config(**given)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ForecastingParameters("day", use_stl="season"), "use_stl=.*not decomposed"),
        (lambda: ForecastingParameters("day", country="US"), "country_or_region_for_holidays"),
        (lambda: ForecastingParameters("day", short_series_handling_configuration="pad"), "'auto' or 'drop'"),
        (lambda: ForecastingParameters("day", horizons=1), "knows no horizons"),
        (lambda: ForecastingParameters().validate_parameters(), "name a time_column_name"),
        (lambda: FeaturizationConfig(column_purposes={"a": "Text"}), "'Text' of the column 'a' is none of"),
        (lambda: FeaturizationConfig(prediction_transform_type="Integer"), "prediction_transform_type='Integer'"),
        (lambda: FeaturizationConfig().add_transformer_params("PCA", ["a"], {}), "'PCA' are not part"),
        (lambda: get_primary_metrics("text-ner"), "'text-ner' is none of"),
        (lambda: AutoMLStep("a", object()), "takes an AutoMLConfig"),  # type: ignore[arg-type]
        (lambda: AutoMLStep("a", config(), outputs=[PipelineData("b")]), "give it a training_output"),
    ],
)
def test_parts_of_a_configuration_are_checked_when_they_are_made(make: Any, text: str) -> None:
    with pytest.raises(UserErrorException, match=text):
        make()


def test_what_is_assigned_afterwards_is_checked_as_well() -> None:
    for name, value in (("country_or_region_for_holidays", "PT"), ("use_stl", "season"), ("feature_lags", "auto")):
        parameters = ForecastingParameters("day")
        setattr(parameters, name, value)
        with pytest.raises(UserErrorException, match=name):
            config(task="forecasting", forecasting_parameters=parameters)


def test_every_setting_is_taken_refused_or_told_of() -> None:
    """No argument of Azure ML's is passed over without a word but those that the documents name."""
    silent = {"task", "compute_target", "verbosity", "debug_log", "model_explainability"}
    used = {
        *automl.READERS, "experiment_timeout_hours", "allowed_models", "whitelist_models", "blocked_models",
        "blacklist_models", "forecasting_parameters",
    }  # fmt: skip
    for name, parameter in inspect.signature(AutoMLConfig).parameters.items():
        if name in silent | used or parameter.kind is parameter.VAR_KEYWORD:
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                config(**{name: 1})
            except UserErrorException as error:
                assert name in str(error)
            else:
                assert any(name in str(each.message) for each in caught), name


def test_what_changes_nothing_is_told() -> None:
    for given in (
        {"path": "."},
        {"num_classes": 2},
        {"allowed_models": ["LightGBM", "SVM"]},
        {"auto_blacklist": True},
        {"show_output": True},
    ):
        with pytest.warns(UserWarning, match="passes over"):
            config(**given)
    with pytest.warns(UserWarning, match="passes over freq"):
        ForecastingParameters("day", freq="D")


def test_a_step_in_the_graph() -> None:
    model = PipelineData("model", training_output=TrainingOutput("Model", iteration=2))
    codes, (built,) = graph_of(AutoMLStep("train it", config(validation_data=TABLE), outputs=[model]))
    assert codes == []
    assert (built.kind, built.script, built.environment) == ("automl", "", {"name": "AzureML-AutoML", "version": None})
    assert [each.name for each in built.inputs] == ["training_data", "validation_data"]
    assert [each.name for each in built.outputs] == ["model", "default_metrics_train_it"]
    assert built.settings["outputs"] == {
        "model": {"kind": "model", "iteration": 2},
        "default_metrics_train_it": {"kind": "metrics"},
    }
    kind = KINDS["automl"]
    words = kind.starting("python", "", built.settings)
    assert words[:3] == ("python", "-m", "duto.automl") and json.loads(words[3]) == built.settings
    assert kind.shown_command("", built.settings) == ("python", "-m", "duto.automl")


def test_a_graph_of_somebody_elses_is_checked_as_well() -> None:
    document = config().as_serializable_dict()
    wrong = {
        **document,
        "models": ["Magic"],
        "forecasting": {"forecast_horizon": 0},
        "more": 1,
        "outputs": {"a": {"kind": "b"}},
    }
    text = " ".join(automl.problems_of(wrong))
    for each in (
        "there is no setting 'more'",
        "'Magic' is none of",
        "forecast_horizon=0",
        "'b' is none of model, metrics",
    ):
        assert each in text
    assert automl.problems_of(document) == []
