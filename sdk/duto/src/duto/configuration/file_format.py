"""A run configuration under the keys of Azure ML's `.runconfig` files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, TypeVar

from duto.data.consumption import DatasetConsumptionConfig
from duto.data.dataset import AbstractDataset
from duto.data.output_config import OutputFileDatasetConfig
from duto.data.references import DataPath, DataReference, NamedDataset
from duto.environment import file_format as environment_format
from duto.environment.environment import Environment
from duto.environment.file_format import fill, section, values_of
from duto.exceptions import RunConfigurationException

_Made = TypeVar("_Made", bound=Any)
PLAIN = {
    "script": "script",
    "arguments": "arguments",
    "command": "command",
    "target": "target",
    "framework": "framework",
    "communicator": "communicator",
    "auto_prepare_environment": "autoPrepareEnvironment",
    "node_count": "nodeCount",
    "max_run_duration_seconds": "maxRunDurationSeconds",
    "priority": "priority",
    "retries": "retries",
    "retry_delay": "retryDelay",
    "source_directory_data_store": "sourceDirectoryDataStore",
    "credential_passthrough": "credentialPassthrough",
}
PARTS = {
    "history": {
        "output_collection": "outputCollection",
        "snapshot_project": "snapshotProject",
        "directories_to_watch": "directoriesToWatch",
    },
    "docker": {
        "use_docker": "useDocker",
        "shared_volumes": "sharedVolumes",
        "arguments": "arguments",
        "shm_size": "shmSize",
    },
    "mpi": {"process_count_per_node": "processCountPerNode", "node_count": "nodeCount"},
    "tensorflow": {"worker_count": "workerCount", "parameter_server_count": "parameterServerCount"},
    "pytorch": {
        "communication_backend": "communicationBackend",
        "process_count": "processCount",
        "node_count": "nodeCount",
    },
    "spark": {"configuration": "configuration"},
}
# Of Azure's cloud alone, whatever they hold: they travel from a file into the next, without a word.
SILENT = frozenset(
    {
        "hdi",
        "amlcompute",
        "kubernetescompute",
        "paralleltask",
        "datacaches",
        "identity",
        "services",
        "id",
        "jobName",
        "useAbsolutePath",
        "applicationEndpoints",
        "runConfigurationType",
        "historyEnabled",
        "batchai",
        "containerInstance",
        "prepareEnvironment",
    }
)
MODES = {"direct": "direct", "mount": "mount", "download": "download"}


def read(document: Any, folder: Path, made: _Made) -> _Made:
    """What a document says, put into a `RunConfiguration`. What it says and nobody uses is told by a Python warning.

    Raises `RunConfigurationException`, `UserErrorException`, `ValueError`, `TypeError`."""
    if not isinstance(document, dict):
        raise RunConfigurationException("it holds no names and values.")
    known = {*PLAIN.values(), *PARTS, "environment", "dataReferences", "data", "outputData"}
    if document and not known & set(document):
        of_before = (
            " Azure's Workbench wrote such files: write it anew with the keys of SDK v1."
            if "Target" in document
            else ""
        )
        raise RunConfigurationException(
            f"none of its sections is one of a run configuration: {_named(document)}.{of_before}"
        )
    fill(made, PLAIN, document)
    made.node_count = int(made.node_count)
    for part, names in PARTS.items():
        fill(getattr(made, part), names, section(document, part))
    _read_environment(made, section(document, "environment"), folder)
    made.data_references = {name: _reference(name, each) for name, each in _each(document, "dataReferences")}
    made.data = {name: _data(name, each) for name, each in _each(document, "data")}
    made.output_data = {name: _output(name, each) for name, each in _each(document, "outputData")}
    made._others = {key: value for key, value in document.items() if key not in known}
    unused = {key: "nobody knows such a section" for key in made._others if key not in SILENT}
    unused.update(environment_format.unread(section(document, "environment")))
    for key, why in sorted(unused.items()):
        warnings.warn(f"'{key}' of the run configuration is not used: {why}.", stacklevel=3)
    return made


def write(made: Any) -> Dict[str, Any]:
    """The document of a configuration. Raises `RunConfigurationException` for data that a file cannot name."""
    document = {**made._others, **values_of(made, PLAIN)}
    document["arguments"] = [each if isinstance(each, (int, float)) else str(each) for each in made.arguments]
    for part, names in PARTS.items():
        document[part] = values_of(getattr(made, part), names)
    document["environment"] = environment_format.write(made.environment)
    document["dataReferences"] = {name: _write_reference(each) for name, each in (made.data_references or {}).items()}
    document["data"] = {name: _write_data(name, each) for name, each in (made.data or {}).items()}
    document["outputData"] = {name: _write_output(each) for name, each in (made.output_data or {}).items()}
    return document


def _read_environment(made: Any, document: Mapping[str, Any], folder: Path) -> None:
    found = environment_format.read(document, folder, Environment(environment_format.name_of(document)))
    # One that asks for nothing stays the studio's default, as it was before it was saved.
    if environment_format.write(found) != environment_format.write(made.environment):
        made.environment = found


def _each(document: Mapping[str, Any], key: str) -> Any:
    return [(str(name), section({key: each}, key)) for name, each in section(document, key).items()]


def _reference(name: str, given: Mapping[str, Any]) -> DataReference:
    datastore = given.get("dataStoreName") or given.get("datastoreName")
    if not datastore:
        raise RunConfigurationException(f"the data reference '{name}' names no dataStoreName.")
    mode, path = str(given.get("mode") or "mount").lower(), given.get("pathOnDataStore") or None
    if mode not in ("mount", "download"):
        raise RunConfigurationException(f"the data reference '{name}' is to {mode}: only mount and download are built.")
    return DataReference(str(datastore), name, path, mode, given.get("pathOnCompute"), bool(given.get("overwrite")))


def _write_reference(given: Any) -> Dict[str, Any]:
    return {
        "dataStoreName": _store(given.datastore),
        "mode": given.mode,
        "pathOnDataStore": given.path_on_datastore,
        "pathOnCompute": given.path_on_compute,
        "overwrite": given.overwrite,
    }


def _data(name: str, given: Mapping[str, Any]) -> DatasetConsumptionConfig:
    place = section(given, "dataLocation")
    dataset, path = section(place, "dataset"), section(place, "dataPath")
    variable = given.get("environmentVariableName") or name
    if variable != name:
        warnings.warn(f"The data '{name}' are told to the script as ${name}, not as ${variable}.", stacklevel=4)
    mode = str(given.get("mechanism") or "direct").lower()
    if mode not in MODES:
        raise RunConfigurationException(
            f"the data '{name}' come by {mode!r}: only direct, mount and download are built."
        )
    if dataset.get("id") or dataset.get("name"):
        version = dataset.get("version")
        source: Any = NamedDataset(dataset.get("id"), dataset.get("name"), None if version is None else str(version))
    elif path.get("datastoreName"):
        source = DataPath(str(path["datastoreName"]), str(path.get("relativePath") or ""))
        mode = "mount" if mode == "direct" else mode
    else:
        raise RunConfigurationException(f"the data '{name}' name neither a dataset nor a path on a datastore.")
    return DatasetConsumptionConfig(name, source, mode, given.get("pathOnCompute"))


def _write_data(name: str, given: Any) -> Dict[str, Any]:
    source = getattr(given, "dataset", given)
    if isinstance(source, DataPath):
        place: Dict[str, Any] = {
            "dataPath": {"datastoreName": source.datastore_name, "relativePath": source.path_on_datastore}
        }
    elif isinstance(source, NamedDataset) or (isinstance(source, AbstractDataset) and source._saved is not None):
        place = {"dataset": {"id": source.id, "name": source.name, "version": source.version}}
    else:
        raise RunConfigurationException(f"The data '{name}' are no saved dataset: register it before the save.")
    return {"dataLocation": place, "mechanism": given.mode, "pathOnCompute": given.path_on_compute}


def _output(name: str, given: Mapping[str, Any]) -> OutputFileDatasetConfig:
    place, more = section(section(given, "outputLocation"), "dataPath"), section(given, "additionalOptions")
    datastore, path = place.get("datastoreName"), place.get("relativePath")
    mode = str(given.get("mechanism") or "mount").lower()
    if mode not in ("mount", "upload"):
        raise RunConfigurationException(f"the output '{name}' goes by {mode!r}: only mount and upload are built.")
    destination: Any = (str(datastore), str(path)) if datastore and path else (str(datastore),) if datastore else None
    made = OutputFileDatasetConfig(name, destination, more.get("pathOnCompute"))
    if mode == "upload":
        upload = section(more, "uploadOptions")
        made.as_upload(bool(upload.get("overwrite")), section(upload, "sourceGlobs").get("globPatterns"))
    registration = section(more, "registrationOptions")
    if registration.get("name"):
        made.register_on_complete(
            str(registration["name"]), registration.get("description"), section(registration, "tags")
        )
    return made


def _write_output(given: Any) -> Dict[str, Any]:
    if given.mode == "link":
        raise RunConfigurationException(f"The output '{given.name}' links a dataset, and cannot be saved to a file.")
    registered: Optional[Mapping[str, Any]] = given._register
    return {
        "outputLocation": {"dataPath": {"datastoreName": given.datastore_name, "relativePath": given.path}},
        "mechanism": given.mode,
        "additionalOptions": {
            "pathOnCompute": given.source,
            "uploadOptions": {"overwrite": given.overwrite, "sourceGlobs": {"globPatterns": given.source_globs}},
            "registrationOptions": {
                key: (registered or {}).get(key) for key in ("name", "description", "tags")
            },
        },
    }  # fmt: skip


def _store(datastore: Any) -> str:
    return datastore if isinstance(datastore, str) else str(datastore.name)


def _named(document: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, document))[:10])
