"""Datasets: a definition of where data lie and how to read them, lazily saved and read."""

from __future__ import annotations

import copy
import time
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Tuple

import duto
from duto import html
from duto.client.http import segment, waiting
from duto.client.step_context import NAME_KEPT, note
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.types import Scenario
from duto.exceptions import ConflictException, NotFoundException, UserErrorException
from duto.not_built import not_built, refusing
from duto.spec import canonical
from duto.spec.status import READ_DATASET

_POLL = 1.0
_LONGEST_WAIT = 1800.0
_COLUMNS_SHOWN = 50
_KINDS = {"file": "FileDataset", "tabular": "TabularDataset"}


class _Factory:
    """The factory of this public name, loaded when it is first asked for: factories make datasets, and datasets offer them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        return getattr(duto, self._name)


class AbstractDataset:
    """What file and tabular datasets share. A dataset that was never registered is saved, unnamed, on first
    use."""

    kind = ""
    File = _Factory("FileDatasetFactory")
    Tabular = _Factory("TabularDatasetFactory")

    def __init__(self) -> None:
        self._definition: Dict[str, Any] = {"sources": [], "format": {}, "operations": []}
        self._workspace: Any = None
        self._saved: Optional[Dict[str, Any]] = None
        self._validate = True

    @classmethod
    def _of(
        cls,
        definition: Mapping[str, Any],
        workspace: Any,
        saved: Optional[Mapping[str, Any]] = None,
        validate: bool = True,
    ) -> Any:
        made = cls()
        made._definition = copy.deepcopy(dict(definition))
        made._workspace = workspace
        made._saved = dict(saved) if saved else None
        made._validate = bool(validate)
        return made

    def _with(self, **operation: Any) -> Any:
        """The same dataset with one more operation."""
        definition = copy.deepcopy(self._definition)
        definition.setdefault("operations", []).append(operation)
        return type(self)._of(definition, self._workspace, validate=self._validate)

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Any = "latest", **kwargs: Any) -> Any:
        """The registered dataset of this name and version; inside a step it becomes an input of the run.

        Raises `NotFoundException`, a `UserErrorException`.
        """
        return noted(named(workspace, name, version))

    @staticmethod
    def get_by_id(workspace: Any, id: str, **kwargs: Any) -> Any:
        """The dataset whose version has this id; inside a step it becomes an input of the run.

        Raises `NotFoundException`.
        """
        return noted(identified(workspace, id))

    @staticmethod
    def get_all(workspace: Any) -> Mapping[str, Any]:
        """The workspace's datasets by name, in their latest versions."""
        found: Mapping[str, Any] = workspace.datasets
        return found

    def register(
        self,
        workspace: Any,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        create_new_version: bool = False,
    ) -> Any:
        """The dataset under a name.

        The same definition under the name again gives the version that is there. Another one raises
        `UserErrorException` unless `create_new_version`.
        """
        body = {
            "name": name,
            "kind": self.kind,
            "definition": self._definition,
            "description": description or "",
            "tags": dict(tags or {}),
            "create_new_version": bool(create_new_version),
            "validate": self._validate,
        }
        try:
            saved = workspace._client.post(workspace._path("datasets/"), body)
        except ConflictException as error:
            text = (
                f"A dataset '{name}' with another definition is registered already. Register this one with "
                "create_new_version=True, or under another name."
            )
            raise ConflictException(text, inner_exception=error) from error
        return dataset_of(workspace, _when_ready(workspace, saved))

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """The dataset as an input of a step. Tabular ones come as an object, file ones best `.as_mount()`."""
        return DatasetConsumptionConfig(name, self)

    def save(self, workspace: Any = None) -> Dict[str, Any]:
        """The saved version's document; saves an unregistered dataset without a name."""
        if self._saved is None:
            place = self._workspace or workspace
            if place is None:
                raise UserErrorException("This dataset of web addresses has no workspace: register it first.")
            body = {"kind": self.kind, "definition": self._definition, "validate": self._validate}
            saved = place._client.post(place._path("datasets/"), body)
            self._workspace, self._saved = place, _when_ready(place, saved)
        return self._saved

    @property
    def id(self) -> str:
        """The id of the version, a GUID."""
        return str(self.save()["id"])

    @property
    def name(self) -> Optional[str]:
        return self._saved.get("name") if self._saved else None

    @property
    def version(self) -> Optional[int]:
        return self._saved.get("version") if self._saved and self.name else None

    @property
    def description(self) -> Optional[str]:
        return self._saved.get("description") if self._saved else None

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._saved.get("tags") or {}) if self._saved else {}

    @property
    def partition_keys(self) -> List[str]:
        from duto.tables.partitions import keys_of

        return keys_of((self._definition.get("format") or {}).get("partition_format"))

    def get_partition_key_values(self, partition_keys: Optional[List[str]] = None) -> List[Dict[str, Any]]:
        """The values of the partition keys, or of some of them, each combination once, as the files' paths have them.

        Raises `UserErrorException` for a key that the `partition_format` does not name.
        """
        from duto.tables.partitions import values_of

        wanted = self.partition_keys if partition_keys is None else list(partition_keys)
        if unknown := [key for key in wanted if key not in self.partition_keys]:
            known = ", ".join(self.partition_keys) or "none"
            raise UserErrorException(f"The dataset has no partition key '{unknown[0]}'; it has: {known}.")
        form = (self._definition.get("format") or {}).get("partition_format") or ""
        found: List[Dict[str, Any]] = []
        for item in self._files() if wanted else ():
            values = values_of(form, str(item["path"])) or {}
            row = {key: values.get(key) for key in wanted}
            if row not in found:
                found.append(row)
        return found

    def __getitem__(self, key: str) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built(f"{type(self).__name__}[...]", "Filter the frame of to_pandas_dataframe().")

    def __iter__(self) -> Any:
        raise TypeError(f"A {type(self).__name__} is not iterable; read it with to_pandas_dataframe() or to_path().")

    @property
    def data_changed_time(self) -> Optional[datetime]:
        """When the newest of the files was changed, in UTC, where the studio knows it."""
        times = [item["modified_at"] for item in self._files() if item.get("modified_at")]
        return datetime.fromisoformat(max(times).replace("Z", "+00:00")) if times else None

    def add_tags(self, tags: Optional[Mapping[str, str]] = None) -> Any:
        """The dataset with more tags."""
        return self.update(tags={**self.tags, **(tags or {})})

    def remove_tags(self, tags: Any = None) -> Any:
        """The dataset without these tags."""
        return self.update(tags={key: value for key, value in self.tags.items() if key not in (tags or ())})

    def update(self, description: Optional[str] = None, tags: Optional[Mapping[str, str]] = None) -> Any:
        """The dataset with another description or other tags."""
        changes = {"description": description, "tags": dict(tags) if tags is not None else None}
        body = {key: value for key, value in changes.items() if value is not None}
        saved = self._client.patch(self._workspace._path(f"dataset-versions/{self.id}/"), body)
        self._saved = {**self.save(), **body, **(saved or {})}
        return self

    def unregister_all_versions(self) -> None:
        """Take the name out of the workspace; the data stay."""
        if self.name:
            self._client.delete(self._workspace._path(f"datasets/{segment(self.name)}/"))
            self._saved = None

    def random_split(self, percentage: float, seed: Optional[int] = None) -> Tuple[Any, Any]:
        """Two datasets that complement each other, the first with about `percentage` (0 to 1) of the whole.

        Raises `ValueError` for another percentage. Without a seed the split follows from the definition, so
        that it is the same each time.
        """
        if not 0 <= percentage <= 1:
            raise ValueError("The percentage of a split lies between 0 and 1.")
        chosen = seed if seed is not None else int(canonical.digest(self._definition)[:8], 16)
        return tuple(self._with(op="random_split", percentage=percentage, seed=chosen, part=part) for part in (0, 1))

    def take(self, count: int) -> Any:
        """The first `count` rows or files."""
        return self._with(op="take", count=count)

    def skip(self, count: int) -> Any:
        """All but the first `count` rows or files."""
        return self._with(op="skip", count=count)

    def take_sample(self, probability: float, seed: Optional[int] = None) -> Any:
        """About `probability` (0 to 1) of the rows or files."""
        return self._with(op="sample", probability=probability, seed=seed or 0)

    @property
    def _client(self) -> Any:
        self.save()
        return self._workspace._client

    def _files(self) -> List[Dict[str, Any]]:
        """The files that the definition finds now: `path`, `size`."""
        client = self._client
        return list(client.pages(self._workspace._path(f"dataset-versions/{self.id}/files/")))

    def _content(self) -> str:
        return str(self._workspace._path(f"dataset-versions/{self.id}/content/"))

    def _repr_html_(self) -> str:
        """How a notebook shows the dataset; one that was not saved is not saved for that."""
        saved = self._saved or {}
        files = f"{saved['file_count']:,}" if saved.get("file_count") is not None else None
        sources = [
            each.get("url") or f"{each.get('datastore')}/{each.get('path')}"
            for each in self._definition.get("sources") or ()
        ]
        rows = [
            ("Version", saved.get("version")),
            ("Sources", sources),
            ("Files", files),
            ("Columns", {each["name"]: each["type"] for each in (saved.get("columns") or ())[:_COLUMNS_SHOWN]}),
            ("Id", saved.get("id")),
            ("Description", saved.get("description")),
            ("Tags", saved.get("tags")),
        ]
        url = (
            f"{self._workspace.studio_url}/w/{segment(self._workspace.name)}/data/sets/{segment(self.name)}/"
            if self.name
            else ""
        )
        return html.facts(type(self).__name__, self.name or "unregistered", url, rows)

    def __str__(self) -> str:
        named = f", name='{self.name}', version={self.version}" if self.name else ""
        return f"{type(self).__name__}(sources={self._definition.get('sources')}{named})"

    __repr__ = __str__


@waiting()
def _when_ready(workspace: Any, saved: Mapping[str, Any]) -> Dict[str, Any]:
    """The version once the studio has fetched what of it lies on the web.

    Raises `UserErrorException` when that cannot be had, or is not here within half an hour.
    """
    version, pause, end = dict(saved), 0.05, time.monotonic() + _LONGEST_WAIT
    while version.get("status") == "fetching":
        if time.monotonic() > end:
            raise UserErrorException(
                f"The studio is still fetching the data of dataset version {version['id']}. It goes on by itself; "
                "look at the dataset's page, and register it again when it is ready."
            )
        time.sleep(pause)
        pause = min(pause * 1.5, _POLL)
        version = dict(workspace._client.get(workspace._path(f"dataset-versions/{segment(version['id'])}/")))
    if version.get("error"):
        error = UserErrorException(str(version["error"].get("message")))
        error.code = version["error"].get("code")
        raise error
    return version


def named(workspace: Any, name: str, version: Any = "latest") -> Any:
    """The registered dataset, to look at. Raises `NotFoundException`."""
    try:
        found = workspace._client.get(workspace._path(f"datasets/{segment(name)}/versions/{segment(version)}/"))
    except NotFoundException as error:
        text = f"There is no dataset '{name}' in version {version} in workspace '{workspace.name}'."
        raise NotFoundException(text) from error
    return dataset_of(workspace, found)


def identified(workspace: Any, id: str) -> Any:
    """The dataset whose version has this id, to look at. Raises `NotFoundException`."""
    try:
        found = workspace._client.get(workspace._path(f"dataset-versions/{segment(id)}/"))
    except NotFoundException as error:
        raise NotFoundException(f"There is no dataset with the id '{id}' in '{workspace.name}'.") from error
    return dataset_of(workspace, found)


def noted(dataset: Any) -> Any:
    """The dataset, which inside a step becomes an input of the run."""
    name = f"{dataset.name[:NAME_KEPT]}:{dataset.version}" if dataset.name else dataset.id
    note(dataset._workspace, READ_DATASET + name, dataset.id)
    return dataset


def dataset_of(workspace: Any, saved: Mapping[str, Any]) -> Any:
    """The dataset of a version's document."""
    kind = getattr(duto, _KINDS[str(saved.get("kind") or "file")])
    return kind._of(saved.get("definition") or {}, workspace, saved)


@refusing(
    "archive auto_read_files compare_profiles create_snapshot delete_snapshot deprecate diff from_binary_files "
    "from_excel_files from_json_files from_pandas_dataframe from_parquet_files from_sql_query generate_profile "
    "get_all_snapshots get_definition get_definitions get_profile get_snapshot head reactivate sample "
    "to_pandas_dataframe to_spark_dataframe update_definition",
    "Use Dataset.File, Dataset.Tabular and what they give.",
)
class Dataset(AbstractDataset):
    """The door to datasets: `Dataset.File`, `Dataset.Tabular`, `Dataset.get_by_name`, `Dataset.get_by_id`."""

    Scenario = Scenario

    @staticmethod
    def _named(workspace: Any, name: str) -> Any:
        """For lists: the dataset in its latest version, which nobody has read by that."""
        return named(workspace, name)

    @staticmethod
    def _noted(dataset: Any) -> Any:
        """For lists: one that was taken out by its name."""
        return noted(dataset)

    @staticmethod
    def get(workspace: Any, name: Optional[str] = None, id: Optional[str] = None) -> Any:
        """The dataset of a name or an id."""
        return Dataset.get_by_id(workspace, id) if id else Dataset.get_by_name(workspace, str(name))

    @staticmethod
    def list(workspace: Any) -> Any:
        """All registered datasets, in their latest versions."""
        return [*workspace.datasets.values()]

    @staticmethod
    def from_delimited_files(
        path: Any, separator: str = ",", header: Any = True, encoding: Any = "utf8", **kwargs: Any
    ) -> Any:
        """The old spelling of `Dataset.Tabular.from_delimited_files`."""
        return duto.TabularDatasetFactory.from_delimited_files(
            path, separator=separator, header=header, encoding=encoding
        )
