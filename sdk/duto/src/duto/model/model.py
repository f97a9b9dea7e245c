"""Registered models: files under a name and a version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, NoReturn, Optional, Sequence, Tuple, Union

from duto import html
from duto.client.http import segment
from duto.client.local_files import copy_to, each_of, files_below, place_of, text_of
from duto.client.step_context import NAME_KEPT, note
from duto.client.tags import texts, without
from duto.exceptions import (
    ModelNotFoundException,
    ModelPathNotFoundException,
    NotFoundException,
    UserErrorException,
    WebserviceException,
)
from duto.model.registration import datasets_of, facts_of, keep_here, register_from_run, send_files
from duto.not_built import not_built, passed_over, refusing
from duto.spec.status import READ_MODEL

if TYPE_CHECKING:
    from duto.data.dataset import AbstractDataset
    from duto.run.run import Run
    from duto.workspace.workspace import Workspace


class Framework:
    """Frameworks by the names that programs give with a model.

    Attributes:
        CUSTOM: any other.
        TENSORFLOW: TensorFlow.
        SCIKITLEARN: scikit-learn.
        ONNX: ONNX.
        MULTI: several.
        PYTORCH: PyTorch.
        TFKERAS: Keras of TensorFlow.
    """

    CUSTOM = "Custom"
    TENSORFLOW = "TensorFlow"
    SCIKITLEARN = "ScikitLearn"
    ONNX = "Onnx"
    MULTI = "Multi"
    PYTORCH = "PyTorch"
    TFKERAS = "TfKeras"


@refusing(
    "get_sas_urls print_configuration profile",
    "Copy the files with download(); a studio serves no models.",
)
class Model:
    """A version of a registered model.

    Attributes:
        Framework: names of frameworks.
        workspace: the workspace.
        id: `name:version`.
        name: its name.
        version: number of the version, from 1 on.
        run_id: id of the run that it came from; None for one that was registered from files.
        description: its description.
        tags: tags by name.
        properties: properties by name.
        created_time: when it was registered, ISO 8601 in UTC.
        model_framework: the framework, as it was given.
        model_framework_version: its version, as it was given.
        experiment_name: name of the run's experiment.
        datasets: ids of the datasets that it came from, by their scenario.
        created_by: who registered it.
        url: address of its page.
        sample_input_dataset: always None: a studio serves no models.
        sample_output_dataset: always None.
        mime_type: always `application/x-python`.
    """

    Framework = Framework

    def __init__(
        self,
        workspace: Workspace,
        name: Optional[str] = None,
        id: Optional[str] = None,
        tags: Union[str, Mapping[str, object], Iterable[object], None] = None,
        properties: Union[str, Mapping[str, object], Iterable[object], None] = None,
        version: Optional[int] = None,
        run_id: Optional[str] = None,
        model_framework: Optional[str] = None,
        expand: bool = True,
        **kwargs: Any,
    ) -> None:
        """The newest version that fits.

        Args:
            workspace: the workspace.
            name: its name.
            id: `name:version`, in place of a name.
            tags: only versions with these: keys, or pairs of a key and a value.
            properties: only versions with these: keys, or pairs of a key and a value.
            version: this version; None for the newest.
            run_id: only those of this run and, for a pipeline, of its steps.
            model_framework: only those of this framework.
            expand: taken and not used: all facts are there.
            kwargs: taken and not used.

        Raises:
            WebserviceException: none fits, as Azure ML has it.
            UserErrorException: neither a name nor an id, a run or tags were given.
        """
        document = kwargs.get("_document")
        if document is None:
            document = _find(workspace, name, id, tags, properties, version, run_id, model_framework)
        self.workspace = workspace
        self._take(document)

    def _take(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)
        self.id = str(document["id"])
        self.name = str(document["name"])
        self.version = int(document["version"])
        self.run_id = document.get("run_id")
        self.description = str(document.get("description") or "")
        self.tags: Dict[str, str] = dict(document.get("tags") or {})
        self.properties: Dict[str, str] = dict(document.get("properties") or {})
        self.created_time = document.get("created_at")
        self.model_framework = document.get("framework")
        self.model_framework_version = document.get("framework_version")
        self.experiment_name = document.get("experiment")
        self.datasets: Dict[str, Any] = dict(document.get("datasets") or {})
        self.created_by = document.get("created_by")
        self.url = document.get("url")
        self.sample_input_dataset: Any = None
        self.sample_output_dataset: Any = None
        self.mime_type = "application/x-python"

    @property
    def run(self) -> Optional[Run]:
        """The run that the model came from; None for one that was registered from files."""
        from duto.run.run import Run

        return Run.get(self.workspace, self.run_id) if self.run_id else None

    @staticmethod
    def register(
        workspace: Workspace,
        model_path: str,
        model_name: str,
        tags: Optional[Mapping[str, object]] = None,
        properties: Optional[Mapping[str, object]] = None,
        description: Optional[str] = None,
        datasets: Optional[Sequence[Tuple[str, AbstractDataset]]] = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        child_paths: Optional[Iterable[str]] = None,
        sample_input_dataset: object = None,
        sample_output_dataset: object = None,
        resource_configuration: object = None,
    ) -> Model:
        """Register a file or a folder of this machine.

        Args:
            workspace: the workspace.
            model_path: the file or folder.
            model_name: name of the model; another version where there is one.
            tags: tags of the version.
            properties: properties of the version, which stay.
            description: description of the version.
            datasets: what the model came from: pairs of a `Dataset.Scenario` and a dataset.
            model_framework: the framework, one of `Model.Framework`.
            model_framework_version: its version.
            child_paths: files of the folder, relative to it; None for all.
            sample_input_dataset: passed over with a warning: a studio serves no models.
            sample_output_dataset: passed over with a warning.
            resource_configuration: passed over with a warning.

        Returns:
            The model.

        Raises:
            ModelPathNotFoundException: there is nothing at this path.
        """
        passed_over(
            "Model.register", _SERVE, sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset, resource_configuration=resource_configuration,
        )  # fmt: skip
        source = Path(model_path)
        if not source.exists():
            raise ModelPathNotFoundException(f"There is no model at '{model_path}'.")
        wanted = {text_of(str(each)) for each in child_paths or ()}
        top = text_of(source.name)
        below = [] if source.is_file() else files_below(source)
        pairs = [(f"{top}/{path}".lstrip("/"), place) for path, place in below if not wanted or path in wanted]
        if source.is_file() and not wanted:
            pairs = [(top, source)]
        facts = facts_of(model_name, tags, properties, description, model_framework, model_framework_version, datasets)
        return Model(workspace, _document=send_files(workspace, facts, pairs))

    @staticmethod
    def _from_run(run: Any, *given: Any) -> Model:
        """What `Run.register_model` registers, with the arguments of `register_from_run`."""
        return Model(run._workspace, _document=register_from_run(run, *given))

    @staticmethod
    def _kept_by(run: Any, *given: Any) -> Model:
        """The same for a run that `duto debug` has started, which registers none."""
        return _KeptModel(run, *keep_here(run, *given))

    @staticmethod
    def list(
        workspace: Workspace,
        name: Optional[str] = None,
        tags: Union[str, Mapping[str, object], Iterable[object], None] = None,
        properties: Union[str, Mapping[str, object], Iterable[object], None] = None,
        run_id: Optional[str] = None,
        latest: bool = False,
        dataset_id: Optional[str] = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: Optional[str] = None,
    ) -> List[Model]:
        """The models that fit.

        Args:
            workspace: the workspace.
            name: only those of this name.
            tags: only versions with these: keys, or pairs of a key and a value.
            properties: only versions with these: keys, or pairs of a key and a value.
            run_id: only those of this run and, for a pipeline, of its steps.
            latest: one version of each name, the newest.
            dataset_id: only those that came from the dataset of this id.
            expand: taken and not used: all facts are there.
            page_count: taken and not used.
            model_framework: only those of this framework.

        Returns:
            The models, newest first.
        """
        found = [
            Model(workspace, _document=item)
            for item in workspace._pages("models/", name=name, run_id=run_id, latest=latest or None)
        ]
        fitting = [each for each in found if _fits(each, name, tags, properties, model_framework)]
        if dataset_id is not None:
            fitting = [each for each in fitting if any(dataset_id in ids for ids in each.datasets.values())]
        fitting.sort(key=lambda each: (str(each.created_time), each.version), reverse=True)
        if latest:
            newest: Dict[str, Model] = {}
            for each in fitting:
                if each.name not in newest or each.version > newest[each.name].version:
                    newest[each.name] = each
            fitting = list(newest.values())
        return fitting

    @staticmethod
    def get_model_path(model_name: str, version: Optional[int] = None, _workspace: Any = None) -> str:
        """The path of a model's file, or of its folder when there are several.

        Below `AZUREML_MODEL_DIR` where that is set; else a copy in `azureml-models/<name>/<version>`. Inside a step
        the model becomes an input of the run.

        Args:
            model_name: name of the model.
            version: a version; None for the newest.

        Returns:
            The path.

        Raises:
            ModelNotFoundException: there is no such model or version.
            WebserviceException: its files could not be copied.
        """
        folder = os.environ.get("AZUREML_MODEL_DIR")
        if folder and (Path(folder) / model_name).is_dir():
            return str(_only(_newest(Path(folder) / model_name, version)))
        workspace = _workspace or _around()
        try:
            model = Model(workspace, model_name, version=version)
        except WebserviceException as error:
            raise ModelNotFoundException(str(error)) from error
        target = Path("azureml-models") / model.name / str(model.version)
        return model.download(str(target), exist_ok=True)

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: Optional[bool] = None) -> str:
        """Copy the model's files to a folder. Inside a step the model becomes an input of the run.

        Args:
            target_dir: the folder, which is made.
            exist_ok: replace files that are there.
            exists_ok: the older name of `exist_ok`, which it wins over.

        Returns:
            The path of the file, or of the folder when there are several.

        Raises:
            WebserviceException: it has no files, a file is there already and may not be replaced, or some could not
                be copied: it names them when all others have been; also where the studio's copy is no longer what was
                registered.
        """
        allowed = exist_ok if exists_ok is None else exists_ok
        items = list(self.workspace._client.pages(self._place + "files/"))
        if not items:
            raise WebserviceException(f"The model {self.id} has no files.")
        wanted = {str(item["path"]): (place_of(target_dir, str(item["path"])), item.get("digest")) for item in items}
        for target, _digest in wanted.values():
            if target.exists() and not allowed:
                raise WebserviceException(f"'{target}' exists already; download with exist_ok=True.")
        place = self._place + "content/"
        try:
            each_of(wanted, lambda path: self.workspace._client.download(place, *wanted[path], path=path))
        except UserErrorException as error:
            raise WebserviceException(f"The model {self.id} cannot be downloaded: {error}") from error
        note(self.workspace, f"{READ_MODEL}{self.name[:NAME_KEPT]}:{self.version}", self.id)
        roots = {place_of(target_dir, path.split("/")[0]) for path in wanted}
        return str(roots.pop() if len(roots) == 1 else Path(target_dir))

    def update(
        self,
        tags: Optional[Mapping[str, object]] = None,
        description: Optional[str] = None,
        sample_input_dataset: object = None,
        sample_output_dataset: object = None,
        resource_configuration: object = None,
    ) -> None:
        """Change tags or description.

        Args:
            tags: all tags that it then has; None leaves them.
            description: the new description; None leaves it.
            sample_input_dataset: passed over with a warning: a studio serves no models.
            sample_output_dataset: passed over with a warning.
            resource_configuration: passed over with a warning.
        """
        passed_over(
            "Model.update", _SERVE, sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset, resource_configuration=resource_configuration,
        )  # fmt: skip
        changes = {"tags": texts(tags) if tags is not None else None, "description": description}
        self._change({key: value for key, value in changes.items() if value is not None})

    def add_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; others stay.

        Args:
            tags: tags by name; values become text.

        Raises:
            UserErrorException: they are no dictionary.
        """
        self._change({"tags": {**self.tags, **texts(tags)}})

    def remove_tags(self, tags: Union[str, Iterable[str]]) -> None:
        """Take tags away.

        Args:
            tags: one name, or several; one that is not there is no error.
        """
        self._change({"tags": without(self.tags, tags)})

    def add_properties(self, properties: Mapping[str, object]) -> None:
        """Set properties, each of which is set once and never changed.

        Args:
            properties: properties by name; values become text.

        Raises:
            UserErrorException: they are no dictionary.
        """
        self._change({"properties": {**self.properties, **texts(properties, "properties")}})

    def update_tags_properties(
        self,
        add_tags: Optional[Mapping[str, object]] = None,
        remove_tags: Union[str, Iterable[str], None] = None,
        add_properties: Optional[Mapping[str, object]] = None,
    ) -> None:
        """Change tags and properties in one go.

        Args:
            add_tags: tags to set.
            remove_tags: names of tags to take away, after that.
            add_properties: properties to set.

        Raises:
            UserErrorException: they are no dictionary.
        """
        tags = without({**self.tags, **texts(add_tags)}, remove_tags)
        self._change({"tags": tags, "properties": {**self.properties, **texts(add_properties, "properties")}})

    def add_dataset_references(self, datasets: Sequence[Tuple[str, AbstractDataset]]) -> None:
        """Say which datasets the model came from, in place of those that it has.

        Args:
            datasets: pairs of a `Dataset.Scenario` and a dataset.
        """
        self._change({"datasets": datasets_of(datasets)})

    def delete(self) -> None:
        """Remove this version with its files."""
        self.workspace._client.delete(self._place)

    def serialize(self) -> Dict[str, Any]:
        """The model as a dictionary.

        Returns:
            Its facts under Azure ML's keys.
        """
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "tags": self.tags,
            "properties": self.properties,
            "runId": self.run_id,
            "createdTime": self.created_time,
            "framework": self.model_framework,
            "frameworkVersion": self.model_framework_version,
            "experimentName": self.experiment_name,
        }

    @staticmethod
    def deserialize(workspace: Workspace, model_payload: Mapping[str, Any]) -> Model:
        """The model that `serialize()` described, as it is now.

        Args:
            workspace: the workspace.
            model_payload: what `serialize()` gave; its `id` counts.

        Returns:
            The model.

        Raises:
            WebserviceException: there is none of this id.
        """
        return Model(workspace, id=str(model_payload["id"]))

    @staticmethod
    def deploy(
        workspace: object,
        name: str,
        models: object,
        inference_config: object = None,
        deployment_config: object = None,
        deployment_target: object = None,
        overwrite: bool = False,
        show_output: bool = False,
    ) -> NoReturn:
        """Not built: a studio serves no models. The arguments are Azure ML's, and none is used.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Model.deploy", _SERVE)

    @staticmethod
    def package(
        workspace: object,
        models: object,
        inference_config: object = None,
        generate_dockerfile: bool = False,
        image_name: Optional[str] = None,
        image_label: Optional[str] = None,
    ) -> NoReturn:
        """Not built: a studio serves no models. The arguments are Azure ML's, and none is used.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Model.package", _SERVE)

    @property
    def _place(self) -> str:
        return str(self.workspace._path(f"models/{segment(self.name)}/versions/{self.version}/"))

    def _change(self, body: Mapping[str, Any]) -> None:
        self._take({**self._document, **body, **(self.workspace._client.patch(self._place, body) or {})})

    def _repr_html_(self) -> str:
        """How a notebook shows the model."""
        place = f"{self.workspace.studio_url}/w/{segment(self.workspace.name)}"
        rows = [
            ("Version", self.version),
            ("Framework", " ".join(filter(None, (self.model_framework, self.model_framework_version)))),
            ("From run", self.run_id),
            ("Registered", html.moment(self.created_time)),
            ("Description", self.description),
            ("Tags", self.tags),
            ("Properties", self.properties),
        ]
        return html.facts("Model", self.name, f"{place}/models/named/{segment(self.name)}/", rows)

    def __repr__(self) -> str:
        return f"Model(workspace={self.workspace!r}, name={self.name}, id={self.id}, version={self.version})"


_SERVE = "A studio runs pipelines and serves no models: load the model with `Model.get_model_path`."


class _KeptModel(Model):
    """A model whose files are in a folder of this machine; the studio knows none of it."""

    def __init__(self, run: Any, place: Path, document: Mapping[str, Any]) -> None:
        self._run, self._files = run, place
        self._take(document)

    @property
    def workspace(self) -> Any:  # type: ignore[override]
        """That of the run."""
        return self._run._workspace

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: Optional[bool] = None) -> str:
        """Copy it out of the folder."""
        target = Path(target_dir) / self._files.name
        if target.exists() and not (exist_ok if exists_ok is None else exists_ok):
            raise WebserviceException(f"'{target}' exists already; download with exist_ok=True.")
        copy_to(self._files, target)
        return str(target)


def _find(
    workspace: Any,
    name: Optional[str],
    id: Optional[str],
    tags: Any,
    properties: Any,
    version: Optional[int],
    run_id: Optional[str],
    framework: Optional[str],
) -> Mapping[str, Any]:
    if id:
        name, _, number = id.rpartition(":")
        version = int(number) if number.isdigit() else None
    if name and version is not None:
        place = workspace._path(f"models/{segment(name)}/versions/{segment(version)}/")
        try:
            return dict(workspace._client.get(place))
        except NotFoundException as error:
            raise WebserviceException(f"ModelNotFound: There is no model '{name}' in version {version}.") from error
    if not name and not run_id and not tags:
        raise UserErrorException("A model is looked up by its name or its id.")
    found = Model.list(workspace, name, tags, properties, run_id, model_framework=framework)
    if not found:
        raise WebserviceException(f"ModelNotFound: There is no model '{name or ''}' that fits.")
    return max(found, key=lambda each: each.version)._document


def _fits(model: Model, name: Optional[str], tags: Any, properties: Any, framework: Optional[str]) -> bool:
    return (
        name in (None, model.name)
        and framework in (None, model.model_framework)
        and _has(model.tags, tags)
        and _has(model.properties, properties)
    )


def _has(found: Mapping[str, str], wanted: Any) -> bool:
    """All wanted keys, or pairs of key and value."""
    if isinstance(wanted, str):
        wanted = [wanted]
    pairs = list(wanted.items()) if isinstance(wanted, Mapping) else list(wanted or ())
    for each in pairs:
        key, value = (each[0], each[1]) if isinstance(each, (list, tuple)) else (each, None)
        if key not in found or (value is not None and found[key] != str(value)):
            return False
    return True


def _around() -> Any:
    from duto.client.step_context import Context
    from duto.workspace.workspace import Workspace, workspace_of_step

    return workspace_of_step() if Context.of_process() is not None else Workspace.from_config()


def _newest(folder: Path, version: Optional[int]) -> Path:
    if version is not None:
        return folder / str(version)
    numbers = [int(each.name) for each in folder.iterdir() if each.name.isdigit()]
    return folder / str(max(numbers)) if numbers else folder


def _only(folder: Path) -> Path:
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 else folder
