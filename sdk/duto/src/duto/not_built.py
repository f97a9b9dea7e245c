"""Names of the Azure ML SDK that import here and are not built yet: each says so, and what to do, when it is
used."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, NoReturn, TypeVar

from duto.exceptions import AzureMLException, NotBuiltException

_Kind = TypeVar("_Kind", bound=type)

_STEPS = "Use PythonScriptStep with a script that does the work."
_SERVE = "A studio runs pipelines and serves no models: load the model with `Model.get_model_path`."
_SWEEP = "Use HyperDriveConfig and HyperDriveRun."
_AUTOML = "Use AutoMLConfig with tabular data, or train the candidates in steps of your own and compare their metrics."
_ATTACH = "Use AmlCompute, which runs on the studio's hosts."
_ESTIMATOR = "Use Estimator, or ScriptRunConfig with a RunConfiguration."
_MLFLOW = "Log with Run.get_context().log and register with run.register_model."

ADVICE: Dict[str, str] = {
    **dict.fromkeys(
        ("AutoMLPipelineBuilder",),
        _STEPS,
    ),
    **dict.fromkeys(
        (
            "ManyModelsTrainParameters",
            "ManyModelsInferenceParameters",
        ),
        _AUTOML,
    ),
    **dict.fromkeys(
        (
            "Webservice",
            "AciWebservice",
            "AksWebservice",
            "LocalWebservice",
            "AksEndpoint",
            "InferenceConfig",
            "Image",
            "ContainerImage",
            "ModelPackage",
            "AMLResponse",
            "AMLRequest",
        ),
        _SERVE,
    ),
    **dict.fromkeys(
        (
            "AksCompute",
            "AdlaCompute",
            "BatchAiCompute",
            "ComputeInstance",
            "DsvmCompute",
            "HDInsightCompute",
            "RemoteCompute",
            "KubernetesCompute",
            "KustoCompute",
        ),
        _ATTACH,
    ),
    "MMLBaseEstimator": _ESTIMATOR,
    "PrivateEndPoint": _ATTACH,
    "PrivateEndPointConfig": _ATTACH,
    "ScriptRun": "Experiment.submit of a ScriptRunConfig gives a Run.",
    "OpenDataset": "Register the data under a name of your own and read them with Dataset.get_by_name.",
}


def not_built(name: str, advice: str = "") -> NotBuiltException:
    """The error of a name that is not built, ready to raise."""
    return NotBuiltException(f"{name} is not part of Duto yet. {advice}".rstrip())


class _LaterType(type):
    """Refuses what the class offers under any name, so that `X.create(...)` says the same as `X(...)`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise not_built(cls.__name__, cls._advice)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name[0].isupper():
            return later_class(f"{cls.__name__}.{name}", cls._advice)
        return later_function(f"{cls.__name__}.{name}", cls._advice)


_MADE: Dict[str, Any] = {}


def later_class(name: str, advice: str = "") -> Any:
    """A class that may be imported, named in `isinstance` and `except`, and says on use that it is not
    built."""
    if name not in _MADE:
        members = {"_advice": advice, "__module__": __name__, "__doc__": f"Not built yet. {advice}"}
        _MADE[name] = _LaterType(name, (), members)
    return _MADE[name]


def later_function(name: str, advice: str = "") -> Any:
    """A function that says on use that it is not built."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise not_built(name, advice)

    refuse.__name__ = name.rsplit(".", 1)[-1]
    refuse.__doc__ = f"Not built yet. {advice}"
    return refuse


def of_place(module: str, name: str) -> Any:
    """What stands for a name that only its module tells something of: an exception that may be caught, a class or a
    function that says on use what to do."""
    longest = max((place for place in PLACES if f"{module}.".startswith(f"{place}.")), key=len, default="")
    advice = PLACES.get(longest, "")
    if name.endswith(("Exception", "Error")):
        if name not in _MADE:
            members = {"__module__": __name__, "__doc__": "Kept for its name: nothing here raises it."}
            _MADE[name] = type(name, (AzureMLException,), members)
        return _MADE[name]
    return later_class(name, advice) if name.lstrip("_")[:1].isupper() else later_function(name, advice)


def refusing(names: str, advice: str) -> Callable[[_Kind], _Kind]:
    """A class with these members more, each of which says on use that it is not built."""

    def grown(kind: _Kind) -> _Kind:
        for name in names.split():
            setattr(kind, name, staticmethod(later_function(f"{kind.__name__}.{name}", advice)))
        return kind

    return grown


def passed_over(where: str, why: str, **given: Any) -> None:
    """Warn of arguments that were given (anything but None and False) and change nothing here."""
    names = [name for name, value in given.items() if value is not None and value is not False]
    if names:
        warnings.warn(f"{where} passes over {', '.join(names)}: {why}", stacklevel=3)


def __getattr__(name: str) -> Any:
    """Every name of `ADVICE`, and functions under a lower-case name."""
    if name in ADVICE:
        return later_class(name, ADVICE[name])
    if name in FUNCTIONS:
        return later_function(name, FUNCTIONS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


FUNCTIONS: Dict[str, str] = {
    "scoring": _AUTOML,
    "get_output_from_mm_pipeline": _AUTOML,
    "rawhttp": _SERVE,
    "attach_legacy_compute_target": _ATTACH,
    "prepare_compute_target": _ATTACH,
    "remove_legacy_compute_target": _ATTACH,
    "is_compute_target_prepared": _ATTACH,
}

# By the beginning of a module's name: what to do instead of what its other names are for.
PLACES: Dict[str, str] = {
    "azureml.automl": _AUTOML,
    "azureml.train.automl": _AUTOML,
    "azureml.train.hyperdrive": _SWEEP,
    "azureml.train": _ESTIMATOR,
    "azureml.core.webservice": _SERVE,
    "azureml.core.image": _SERVE,
    "azureml.core.profile": _SERVE,
    "azureml.core.model": _SERVE,
    "azureml.core.compute": _ATTACH,
    "azureml.core.compute_target": _ATTACH,
    "azureml.core.private_endpoint": _ATTACH,
    "azureml.core.databricks": _STEPS,
    "azureml.core.environment": "Name the packages in CondaDependencies, or an image in environment.docker.",
    "azureml.core.container_registry": "Hosts know their registries; name the image in environment.docker.base_image.",
    "azureml.core.runconfig": "Give datasets and outputs to the step: inputs, outputs and arguments take them.",
    "azureml.core.script_run_config": "Use ScriptRunConfig with Experiment.submit.",
    "azureml.core.run": "Read Run.get_context().input_datasets and output_datasets.",
    "azureml.core": "Use Experiment, Run and Workspace.",
    "azureml.data": "Use Dataset.File, Dataset.Tabular and the workspace's own datastores.",
    "azureml.pipeline.core.graph": "Pipeline makes the graph; PipelineRun.get_graph() gives it.",
    "azureml.pipeline.core.module": _STEPS,
    "azureml.pipeline.core": "Use Pipeline, PublishedPipeline and PythonScriptStep.",
    "azureml.pipeline.steps": _STEPS,
    "azureml.contrib.notebook": "Make the notebook a script: jupyter nbconvert --to script.",
    "azureml.mlflow": _MLFLOW,
    "azureml.contrib.mlflow": _MLFLOW,
    "azureml._restclient": "Use Run, Experiment and Workspace, or the studio's REST.",
    "azureml._base_sdk_common": "Use Run, Experiment and Workspace, or the studio's REST.",
}
