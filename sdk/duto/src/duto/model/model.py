"""Registered models: files under a name and a version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from duto import html
from duto.client.http import segment
from duto.client.local_files import each_of, files_below, place_of, text_of
from duto.client.step_context import NAME_KEPT, note
from duto.exceptions import (
    ModelNotFoundException,
    ModelPathNotFoundException,
    NotFoundException,
    UserErrorException,
    WebserviceException,
)
from duto.model.registration import datasets_of, facts_of, register_from_run, send_files
from duto.not_built import not_built, passed_over, refusing
from duto.spec.status import READ_MODEL


class Framework:
    """Frameworks by the names that programs give with a model."""

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
    """A version of a registered model. Its `id` is `name:version`."""

    Framework = Framework

    def __init__(
        self,
        workspace: Any,
        name: Optional[str] = None,
        id: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        version: Optional[int] = None,
        run_id: Optional[str] = None,
        model_framework: Optional[str] = None,
        expand: bool = True,
        **kwargs: Any,
    ) -> None:
        """The newest version that fits. Raises `WebserviceException` when none does, as Azure ML does."""
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
    def run(self) -> Any:
        """The run that the model came from; None for one that was registered from files."""
        from duto.run.run import Run

        return Run.get(self.workspace, self.run_id) if self.run_id else None

    @staticmethod
    def register(
        workspace: Any,
        model_path: str,
        model_name: str,
        tags: Any = None,
        properties: Any = None,
        description: Optional[str] = None,
        datasets: Any = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        child_paths: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> Model:
        """Register a file or a folder of this machine. Raises `ModelPathNotFoundException` when there is
        none."""
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
    def list(
        workspace: Any,
        name: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        run_id: Optional[str] = None,
        latest: bool = False,
        dataset_id: Optional[str] = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: Optional[str] = None,
    ) -> List[Model]:
        """The models that fit, newest first; with `latest` one version of each name, with `run_id` those of the run
        and, for a pipeline, of its steps.

        `tags` and `properties` hold keys, or pairs of a key and a value; `dataset_id` is that of one that the model
        came from.
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
        """The path of a model's file or folder: below `AZUREML_MODEL_DIR` where that is set, else a copy.

        Raises `ModelNotFoundException`.
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
        """Copy the model's files to a folder; the path of the file, or of the folder when there are several. Inside a
        step the model becomes an input of the run.

        Raises `WebserviceException` when a file is there already and `exist_ok` is not set, and one that names the files
        that could not be copied, when all others have been: also where the studio's copy is no longer what was registered.
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
        tags: Any = None,
        description: Optional[str] = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> None:
        """Change tags or description."""
        passed_over(
            "Model.update", _SERVE, sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset, resource_configuration=resource_configuration,
        )  # fmt: skip
        changes = {"tags": dict(tags) if tags is not None else None, "description": description}
        self._change({key: value for key, value in changes.items() if value is not None})

    def add_tags(self, tags: Mapping[str, Any]) -> None:
        self._change({"tags": {**self.tags, **{key: str(value) for key, value in tags.items()}}})

    def remove_tags(self, tags: Any) -> None:
        gone = [tags] if isinstance(tags, str) else list(tags)
        self._change({"tags": {key: value for key, value in self.tags.items() if key not in gone}})

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        self._change({"properties": {**self.properties, **{key: str(value) for key, value in properties.items()}}})

    def update_tags_properties(self, add_tags: Any = None, remove_tags: Any = None, add_properties: Any = None) -> None:
        """Change tags and properties in one go."""
        gone = [remove_tags] if isinstance(remove_tags, str) else list(remove_tags or ())
        tags = {**self.tags, **{key: str(value) for key, value in (add_tags or {}).items()}}
        added = {key: str(value) for key, value in (add_properties or {}).items()}
        kept = {key: value for key, value in tags.items() if key not in gone}
        self._change({"tags": kept, "properties": {**self.properties, **added}})

    def add_dataset_references(self, datasets: Any) -> None:
        """Say which datasets the model came from: pairs of a scenario and a dataset."""
        self._change({"datasets": datasets_of(datasets)})

    def delete(self) -> None:
        """Remove this version."""
        self.workspace._client.delete(self._place)

    def serialize(self) -> Dict[str, Any]:
        """The model as a dict of Azure ML's keys."""
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
    def deserialize(workspace: Any, model_payload: Mapping[str, Any]) -> Model:
        """The model that `serialize()` described."""
        return Model(workspace, id=str(model_payload["id"]))

    @staticmethod
    def deploy(
        workspace: Any,
        name: str,
        models: Any,
        inference_config: Any = None,
        deployment_config: Any = None,
        deployment_target: Any = None,
        overwrite: bool = False,
        show_output: bool = False,
    ) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("Model.deploy", _SERVE)

    @staticmethod
    def package(
        workspace: Any,
        models: Any,
        inference_config: Any = None,
        generate_dockerfile: bool = False,
        image_name: Optional[str] = None,
        image_label: Optional[str] = None,
    ) -> Any:
        """Not built. Raises `NotBuiltException`."""
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
