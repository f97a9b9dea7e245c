"""The run of automated machine learning: its trials, and the models that they have fitted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Dict, Iterator, List, Mapping, NoReturn, Optional, Tuple, Union

from duto.exceptions import UserErrorException
from duto.not_built import refusing
from duto.run.run import Run
from duto.spec import status as statuses
from duto.spec.automl import is_greater_better

if TYPE_CHECKING:
    from duto.experiment.experiment import Experiment
    from duto.model.model import Model
    from duto.pipeline.pipeline_run import StepRun
    from duto.pipeline.port_data import StepRunOutput

_MODEL, _CONDA = "outputs/model.pkl", "outputs/conda_env_v_1_0_0.yml"


@refusing(
    "continue_experiment resume retry pause cancel_iteration", "Submit the AutoMLConfig again; cancel() stops a run."
)
@refusing("get_guardrails", "The log of the run tells what became of columns and rows.")
class AutoMLRun(Run):
    """The run of automated machine learning. Its children are the trials, each a run with its metrics and its model.

    Attributes:
        RUN_TYPE: Azure ML's name of its type.
        model_id: the name of the model that `register_model` has registered; None before.
    """

    RUN_TYPE: ClassVar[str] = "automl"

    def __init__(self, experiment: Experiment, run_id: str, **kwargs: Any) -> None:
        """The run of this id; `Run.get` needs no experiment.

        Args:
            experiment: the experiment.
            run_id: id of the run.
            kwargs: as in `Run`.
        """
        super().__init__(experiment, run_id, **kwargs)
        self.model_id: Optional[str] = None

    @property
    def run_id(self) -> str:
        """The same as `id`."""
        return self.id

    def get_best_child(self, metric: Optional[str] = None, onnx_compatible: bool = False, **kwargs: Any) -> Run:
        """The trial with the best value of a metric.

        Args:
            metric: the metric; None for the primary one.
            onnx_compatible: refused where it is True.
            kwargs: none is known; each is refused.

        Returns:
            The run of the trial.

        Raises:
            UserErrorException: no trial has ended well, or none has the metric.
        """
        _known("get_best_child", {"onnx_compatible": onnx_compatible}, kwargs)
        ended = self._ended()
        if not ended:
            raise UserErrorException(
                f"No trial of the run {self.id} has ended well yet. Wait for it: wait_for_completion()."
            )
        name = metric or _properties(ended[0])["primary_metric"]
        values = self._values()
        there = [child for child in ended if name in values.get(child.id, {})]
        if not there:
            raise UserErrorException(f"No trial of the run {self.id} has the metric {name!r}.")
        sign = -1 if is_greater_better(name) else 1
        return min(there, key=lambda child: (sign * values[child.id][name], _iteration(child)))

    def get_output(
        self,
        iteration: Optional[int] = None,
        metric: Optional[str] = None,
        return_onnx_model: bool = False,
        return_split_onnx_model: object = None,
        **kwargs: Any,
    ) -> Tuple[Run, Any]:
        """A trial and its model: of the best by the primary metric, by another, or of an iteration.

        Args:
            iteration: the trial's number, from 0 on.
            metric: the metric by which it is the best.
            return_onnx_model: refused where it is True.
            return_split_onnx_model: refused.
            kwargs: none is known; each is refused.

        Returns:
            The run of the trial, and the model, a pipeline of scikit-learn or a `Forecaster`, with `predict`.

        Raises:
            UserErrorException: there is no such trial, or the packages are missing here that its model is made of: the
                text names them.
        """
        refused = {"return_onnx_model": return_onnx_model, "return_split_onnx_model": return_split_onnx_model}
        _known("get_output", refused, kwargs)
        child = self._child(iteration, metric)
        return child, model_of(child)

    def register_model(  # type: ignore[override]  # Azure ML's takes the model of a trial, and no path
        self,
        model_name: Optional[str] = None,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        iteration: Optional[int] = None,
        metric: Optional[str] = None,
    ) -> Model:
        """Register the model of a trial.

        Args:
            model_name: name of the model; None for `AutoML`, the beginning of the run's id, and `best`, the number of the
                iteration or the metric.
            description: description of the version.
            tags: tags of the version.
            iteration: as in `get_output`.
            metric: as in `get_output`.

        Returns:
            The model.

        Raises:
            UserErrorException: there is no such trial.
        """
        child = self._child(iteration, metric)
        which = "best" if iteration is None and metric is None else metric if iteration is None else str(iteration)
        name = model_name or f"AutoML{self.id.replace('-', '')[:12]}{which}"
        model = child.register_model(name, _MODEL, tags=tags, description=description)
        self.model_id = model.name
        return model

    def get_children(
        self,
        recursive: bool = False,
        tags: Union[str, Mapping[str, object], None] = None,
        properties: Union[str, Mapping[str, object], None] = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """The trials; of a reused step those of the run that it was reused from.

        Args:
            recursive: runs that belong to these, too.
            tags: only runs that have this tag, or all of these with these values.
            properties: only runs that have this property, or all of these with these values.
            type: only runs of this type.
            status: only runs of this status.

        Returns:
            The runs, newest first.
        """
        yield from Run.get_children(self._source, recursive, tags, properties, type, status)

    def summary(self) -> List[List[Any]]:
        """What was tried.

        Returns:
            A row for each model: its name, how many trials it had that ended well, and the best of the primary metric.
        """
        values = self._values()
        rows: Dict[str, List[Any]] = {}
        for child in self._ended():
            properties = _properties(child)
            name, metric = properties["run_algorithm"], properties["primary_metric"]
            score = values[child.id][metric]
            _, count, best = rows.get(name, [name, 0, score])
            rows[name] = [name, count + 1, (max if is_greater_better(metric) else min)(best, score)]
        return list(rows.values())

    def get_run_sdk_dependencies(
        self, iteration: Optional[int] = None, check_versions: bool = True, **kwargs: Any
    ) -> Dict[str, str]:
        """The packages that the model of a trial is made of.

        Args:
            iteration: the trial's number; None for the best.
            check_versions: print those that are missing here, or another version.
            kwargs: none is known; each is refused.

        Returns:
            Versions by name.

        Raises:
            UserErrorException: there is no such trial.
        """
        _known("get_run_sdk_dependencies", {}, kwargs)
        found = _packages(self._child(iteration, None))
        if check_versions:
            for text in _differences(found):
                print(text)
        return found

    def fail(self, error_details: object = None, error_code: object = None, _set_status: bool = True) -> NoReturn:
        """It ends with its trials; `cancel()` stops it.

        Args:
            error_details: taken and not used.
            error_code: taken and not used.

        Raises:
            UserErrorException: always.
        """
        raise UserErrorException("A run of automated machine learning ends with its trials; cancel() stops it.")

    @property
    def _source(self) -> Run:
        """The run that has the trials: a reused step's are those of its source."""
        reused = self._facts().get("reused_from")
        return Run(self.experiment, str(reused)) if reused else self

    def _ended(self) -> List[Run]:
        """The trials that ended well, in their order."""
        children = self.get_children(status=statuses.COMPLETED)
        return sorted((each for each in children if "iteration" in _properties(each)), key=_iteration)

    def _values(self) -> Dict[str, Dict[str, Any]]:
        """By the id of each trial its metrics."""
        found: Dict[str, Dict[str, Any]] = Run.get_metrics(self._source, recursive=True)
        return found

    def _child(self, iteration: Optional[int], metric: Optional[str]) -> Run:
        if iteration is None:
            return self.get_best_child(metric)
        if metric is not None:
            raise UserErrorException("Give one of iteration and metric.")
        for child in self._ended():
            if _iteration(child) == iteration:
                return child
        raise UserErrorException(f"The run {self.id} has no iteration {iteration} that ended well.")


class AutoMLStepRun(AutoMLRun):
    """The run of an `AutoMLStep` as that of automated machine learning."""

    def __init__(self, step_run: StepRun) -> None:
        """Nothing is asked before its facts are.

        Args:
            step_run: the run of the step, as `PipelineRun.find_step_run` gives it.

        Raises:
            UserErrorException: it is the run of a step of another kind.
        """
        super().__init__(step_run.experiment, step_run.id, _document=step_run._document)
        kind = (self._facts().get("properties") or {}).get(statuses.STEP_TYPE)
        if kind not in (None, "AutoMLStep"):
            raise UserErrorException(f"The step '{self.name}' is a {kind}, and no AutoMLStep.")
        self._step_run = step_run

    def get_default_model_output(self) -> StepRunOutput:
        """The output that holds the best model.

        Returns:
            The output.

        Raises:
            UserErrorException: the step has an output of its own for it, or none.
        """
        return self._default("default_model_")

    def get_default_metrics_output(self) -> StepRunOutput:
        """The output that holds the metrics of all trials.

        Returns:
            The output.

        Raises:
            UserErrorException: the step has an output of its own for them, or none.
        """
        return self._default("default_metrics_")

    def _default(self, prefix: str) -> StepRunOutput:
        outputs = self._step_run.get_outputs()
        for name, output in outputs.items():
            if name.startswith(prefix):
                return output
        known = ", ".join(outputs) or "none"
        raise UserErrorException(
            f"The step '{self.name}' has no default output of this kind; its outputs are: {known}."
        )


def model_of(child: Run) -> Any:
    """The model of a trial. Raises `UserErrorException` where it cannot be loaded, with the packages that do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pkl"
        child.download_file(_MODEL, str(path))
        try:
            import joblib

            return joblib.load(path)
        except (ImportError, AttributeError, TypeError, ValueError, KeyError) as error:
            differences = "\n".join(_differences(_packages(child)))
            raise UserErrorException(
                f"The model of the run {child.id} cannot be loaded here: {error}\nIt is made of the packages in "
                f"{_CONDA} of that run. Load it in a step with the environment AzureML-AutoML, or install:\n{differences}"
            ) from error


def _packages(child: Run) -> Dict[str, str]:
    """The packages of the conda file of a trial."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conda.yml"
        child.download_file(_CONDA, str(path))
        pins = (
            line.strip()[2:].partition("==")[::2]
            for line in path.read_text(encoding="utf-8").splitlines()
            if "==" in line
        )
        return dict(pins)


def _differences(packages: Mapping[str, str]) -> List[str]:
    """Those that are missing here, or another version."""
    from importlib import metadata

    found = []
    for name, version in packages.items():
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name}=={version} (missing here)")
            continue
        if here != version:
            found.append(f"{name}=={version} (here: {here})")
    return found


def _known(where: str, refused: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raises `UserErrorException` for arguments that ask for what there is not."""
    given = [name for name, value in {**refused, **others}.items() if value]
    if given:
        raise UserErrorException(
            f"AutoMLRun.{where} takes no {', '.join(given)}: models are those of scikit-learn alone."
        )


def _properties(child: Run) -> Dict[str, str]:
    """The properties of a trial that has ended: they change no more."""
    return dict(child._facts().get("properties") or {})


def _iteration(child: Run) -> int:
    return int(_properties(child).get("iteration", -1))
