"""Datasets: a definition of where data lie and how to read them, lazily saved and read."""

from __future__ import annotations

import copy
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Tuple, Type, TypeVar, Union, cast

import duto
from duto import html
from duto.client.http import segment, waiting
from duto.client.step_context import NAME_KEPT, note
from duto.client.tags import texts, without
from duto.data.consumption import DatasetConsumptionConfig
from duto.data.types import FileEncoding, PromoteHeadersBehavior, Scenario
from duto.exceptions import ConflictException, NotFoundException, UserErrorException
from duto.not_built import refusing
from duto.spec import canonical
from duto.spec.status import READ_DATASET

if TYPE_CHECKING:
    from duto.data.references import Paths

    Registered = Union[duto.FileDataset, duto.TabularDataset]

_Self = TypeVar("_Self", bound="AbstractDataset")

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
    """What file and tabular datasets share.

    A dataset is a definition: where files lie and how they are read. It copies no data, and sees what lies there when
    it is read. One that was never registered is saved without a name on first use. Methods that choose (`take`,
    `random_split` and their like) give another dataset and read nothing.

    Attributes:
        kind: `file` or `tabular`.
        File: makes datasets of files.
        Tabular: makes datasets of rows and columns.
    """

    kind = ""
    File = _Factory("FileDatasetFactory")
    Tabular = _Factory("TabularDatasetFactory")

    def __init__(self) -> None:
        """Programs make one by `Dataset.File` or `Dataset.Tabular`."""
        self._definition: Dict[str, Any] = {"sources": [], "format": {}, "operations": []}
        self._workspace: Any = None
        self._saved: Optional[Dict[str, Any]] = None
        self._validate = True

    @classmethod
    def _of(
        cls: Type[_Self],
        definition: Mapping[str, Any],
        workspace: Any,
        saved: Optional[Mapping[str, Any]] = None,
        validate: bool = True,
    ) -> _Self:
        made = cls()
        made._definition = copy.deepcopy(dict(definition))
        made._workspace = workspace
        made._saved = dict(saved) if saved else None
        made._validate = bool(validate)
        return made

    def _with(self: _Self, **operation: Any) -> _Self:
        """The same dataset with one more operation."""
        definition = copy.deepcopy(self._definition)
        definition.setdefault("operations", []).append(operation)
        return type(self)._of(definition, self._workspace, validate=self._validate)

    @staticmethod
    def get_by_name(
        workspace: duto.Workspace, name: str, version: Union[int, str] = "latest", **kwargs: object
    ) -> Union[duto.FileDataset, duto.TabularDataset]:
        """The registered dataset of this name and version; inside a step it becomes an input of the run.

        Args:
            workspace: the workspace.
            name: name of the dataset.
            version: a number from 1 on, or `latest`.
            kwargs: taken and not used.

        Returns:
            The dataset, of the class that it was registered as.

        Raises:
            NotFoundException: there is no such dataset or version. It is a `UserErrorException`, as programs catch
                it.
        """
        return noted(named(workspace, name, version))

    @staticmethod
    def get_by_id(workspace: duto.Workspace, id: str, **kwargs: object) -> Union[duto.FileDataset, duto.TabularDataset]:
        """The dataset whose version has this id; inside a step it becomes an input of the run.

        Args:
            workspace: the workspace.
            id: id of a version, registered or not.
            kwargs: taken and not used.

        Returns:
            The dataset, of the class that it was saved as.

        Raises:
            NotFoundException: there is none with this id.
        """
        return noted(identified(workspace, id))

    @staticmethod
    def get_all(workspace: duto.Workspace) -> Mapping[str, Union[duto.FileDataset, duto.TabularDataset]]:
        """The workspace's registered datasets.

        Args:
            workspace: the workspace.

        Returns:
            Datasets by name, in their latest versions; each is made when it is looked at.
        """
        return workspace.datasets

    def register(
        self: _Self,
        workspace: duto.Workspace,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        create_new_version: bool = False,
    ) -> _Self:
        """Give the dataset a name.

        The same definition under the name again gives the version that is there. The studio looks at what the
        definition finds, and fetches what lies on the web, unless the dataset was made with `validate=False`.

        Args:
            workspace: the workspace.
            name: name of the dataset.
            description: description of the version.
            tags: tags of the version; values become text.
            create_new_version: make another version where the name has one of another definition.

        Returns:
            The dataset with its name and version.

        Raises:
            ConflictException: the name has another definition and `create_new_version` is False.
            UserErrorException: the definition finds nothing or cannot be read, or what lies on the web cannot be had,
                or is not here within half an hour.
        """
        body = {
            "name": name,
            "kind": self.kind,
            "definition": self._definition,
            "description": description or "",
            "tags": texts(tags),
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
        return cast(_Self, dataset_of(workspace, _when_ready(workspace, saved)))

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """The dataset as an input of a step. Tabular ones come as an object, file ones best `.as_mount()`.

        Args:
            name: name of the input in the step, also the key of `run.input_datasets`: letters, digits and
                underscores.

        Returns:
            The input, for `inputs` or `arguments` of a step.

        Raises:
            SpecError: the name is not of letters, digits and underscores.
        """
        return DatasetConsumptionConfig(name, self)

    def save(self, workspace: Optional[duto.Workspace] = None) -> Dict[str, Any]:
        """Save a dataset that was not registered, without a name. One that is saved already is not saved again.

        Args:
            workspace: where, for a dataset of web addresses alone; None for the one that the surroundings name. The
                others go to the workspace of their datastore.

        Returns:
            The version's document, as REST has it: `id`, `definition`, `columns` and others.

        Raises:
            UserErrorException: the surroundings name no workspace, or what `register` says of data that cannot be read.
        """
        if self._saved is None:
            place = self._workspace or workspace or duto.Workspace._around()
            body = {"kind": self.kind, "definition": self._definition, "validate": self._validate}
            saved = place._client.post(place._path("datasets/"), body)
            self._workspace, self._saved = place, _when_ready(place, saved)
        return self._saved

    @property
    def id(self) -> str:
        """Id of the version, a GUID; saves the dataset first if need be.

        Raises:
            UserErrorException: as in `save`.
        """
        return str(self.save()["id"])

    @property
    def name(self) -> Optional[str]:
        """Name that it is registered under; None without one."""
        return self._saved.get("name") if self._saved else None

    @property
    def version(self) -> Optional[int]:
        """Number of the version, from 1 on; None for a dataset without a name."""
        return self._saved.get("version") if self._saved and self.name else None

    @property
    def description(self) -> Optional[str]:
        """Description of the version; None for a dataset that was not saved."""
        return self._saved.get("description") if self._saved else None

    @property
    def tags(self) -> Dict[str, str]:
        """Tags of the version; empty for a dataset that was not saved."""
        return dict(self._saved.get("tags") or {}) if self._saved else {}

    @property
    def partition_keys(self) -> List[str]:
        """Names of the columns that `partition_format` makes of the paths, in their order."""
        from duto.tables.partitions import keys_of

        return keys_of((self._definition.get("format") or {}).get("partition_format"))

    def get_partition_key_values(self, partition_keys: Optional[List[str]] = None) -> List[Dict[str, Any]]:
        """The values of the partition keys, as the files' paths have them now.

        Args:
            partition_keys: some of the keys; None for all.

        Returns:
            Each combination once, by the names of the keys; dates as `datetime`, others as text.

        Raises:
            UserErrorException: a key that the `partition_format` does not name.
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
        """A column of a table, for conditions. Raises `UserErrorException` for files, which have none."""
        raise UserErrorException(
            "Files have no columns: choose them by `dataset.filter(dataset.file_metadata('Size') > 0)`."
        )

    def __iter__(self) -> Any:
        raise TypeError(f"A {type(self).__name__} is not iterable; read it with to_pandas_dataframe() or to_path().")

    @property
    def data_changed_time(self) -> Optional[datetime]:
        """When the newest of the files was changed, in UTC; None where the studio does not know it."""
        times = [item["modified_at"] for item in self._files() if item.get("modified_at")]
        return datetime.fromisoformat(max(times).replace("Z", "+00:00")) if times else None

    def add_tags(self: _Self, tags: Optional[Mapping[str, object]] = None) -> _Self:
        """Set tags of the version; others stay.

        Args:
            tags: tags by name.

        Returns:
            This dataset.
        """
        return self.update(tags={**self.tags, **texts(tags)})

    def remove_tags(self: _Self, tags: Union[str, Iterable[str], None] = None) -> _Self:
        """Take tags from the version.

        Args:
            tags: one name, or several; one that is not there is no error.

        Returns:
            This dataset.
        """
        return self.update(tags=without(self.tags, tags))

    def update(self: _Self, description: Optional[str] = None, tags: Optional[Mapping[str, object]] = None) -> _Self:
        """Change description and tags of the version.

        Args:
            description: the new description; None leaves it.
            tags: all tags that it then has; None leaves them.

        Returns:
            This dataset.
        """
        changes = {"description": description, "tags": texts(tags) if tags is not None else None}
        body = {key: value for key, value in changes.items() if value is not None}
        saved = self._client.patch(self._workspace._path(f"dataset-versions/{self.id}/"), body)
        self._saved = {**self.save(), **body, **(saved or {})}
        return self

    def unregister_all_versions(self) -> None:
        """Take the name out of the workspace; the data stay. Does nothing for a dataset without a name."""
        if self.name:
            self._client.delete(self._workspace._path(f"datasets/{segment(self.name)}/"))
            self._saved = None

    def random_split(self: _Self, percentage: float, seed: Optional[int] = None) -> Tuple[_Self, _Self]:
        """Two datasets that complement each other, of rows or of files.

        Args:
            percentage: share of the first, 0 to 1.
            seed: the same seed makes the same split; None takes one from the definition, so that it is the same each
                time. Azure ML draws a random one.

        Returns:
            The share, and the rest.

        Raises:
            ValueError: the percentage is another.
        """
        if not 0 <= percentage <= 1:
            raise ValueError("The percentage of a split lies between 0 and 1.")
        chosen = seed if seed is not None else int(canonical.digest(self._definition)[:8], 16)
        share, rest = (self._with(op="random_split", percentage=percentage, seed=chosen, part=part) for part in (0, 1))
        return share, rest

    def take(self: _Self, count: int) -> _Self:
        """The first rows or files.

        Args:
            count: how many.

        Returns:
            Another dataset.
        """
        return self._with(op="take", count=count)

    def skip(self: _Self, count: int) -> _Self:
        """All but the first rows or files.

        Args:
            count: how many are left out.

        Returns:
            Another dataset.
        """
        return self._with(op="skip", count=count)

    def take_sample(self: _Self, probability: float, seed: Optional[int] = None) -> _Self:
        """About a share of the rows or files.

        Args:
            probability: of each to be taken, 0 to 1.
            seed: the same seed makes the same choice; None is 0.

        Returns:
            Another dataset.
        """
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


def named(workspace: duto.Workspace, name: str, version: Union[int, str] = "latest") -> Registered:
    """The registered dataset, to look at. Raises `NotFoundException`."""
    try:
        found = workspace._client.get(workspace._path(f"datasets/{segment(name)}/versions/{segment(version)}/"))
    except NotFoundException as error:
        text = f"There is no dataset '{name}' in version {version} in workspace '{workspace.name}'."
        raise NotFoundException(text) from error
    return dataset_of(workspace, found)


def identified(workspace: duto.Workspace, id: str) -> Registered:
    """The dataset whose version has this id, to look at. Raises `NotFoundException`."""
    try:
        found = workspace._client.get(workspace._path(f"dataset-versions/{segment(id)}/"))
    except NotFoundException as error:
        raise NotFoundException(f"There is no dataset with the id '{id}' in '{workspace.name}'.") from error
    return dataset_of(workspace, found)


def noted(dataset: Registered) -> Registered:
    """The dataset, which inside a step becomes an input of the run."""
    name = f"{dataset.name[:NAME_KEPT]}:{dataset.version}" if dataset.name else dataset.id
    note(dataset._workspace, READ_DATASET + name, dataset.id)
    return dataset


def dataset_of(workspace: duto.Workspace, saved: Mapping[str, Any]) -> Registered:
    """The dataset of a version's document."""
    kind: Type[Registered] = getattr(duto, _KINDS[str(saved.get("kind") or "file")])
    return kind._of(saved.get("definition") or {}, workspace, saved)


@refusing(
    "archive auto_read_files compare_profiles create_snapshot delete_snapshot deprecate diff from_binary_files "
    "from_excel_files from_json_files from_pandas_dataframe from_parquet_files from_sql_query generate_profile "
    "get_all_snapshots get_definition get_definitions get_profile get_snapshot head reactivate sample "
    "to_pandas_dataframe to_spark_dataframe update_definition",
    "Use Dataset.File, Dataset.Tabular and what they give.",
)
class Dataset(AbstractDataset):
    """The door to datasets: `Dataset.File`, `Dataset.Tabular`, `Dataset.get_by_name`, `Dataset.get_by_id`.

    Attributes:
        Scenario: what a dataset served for, beside a registered model.
    """

    Scenario = Scenario

    @staticmethod
    def _named(workspace: duto.Workspace, name: str) -> Registered:
        """For lists: the dataset in its latest version, which nobody has read by that."""
        return named(workspace, name)

    @staticmethod
    def _noted(dataset: Registered) -> Registered:
        """For lists: one that was taken out by its name."""
        return noted(dataset)

    @staticmethod
    def get(
        workspace: duto.Workspace, name: Optional[str] = None, id: Optional[str] = None
    ) -> Union[duto.FileDataset, duto.TabularDataset]:
        """The dataset of an id or a name, as `get_by_id` and `get_by_name` give it.

        Args:
            workspace: the workspace.
            name: name of the dataset, where no id is given.
            id: id of a version.

        Returns:
            The dataset.

        Raises:
            NotFoundException: there is no such dataset.
        """
        return Dataset.get_by_id(workspace, id) if id else Dataset.get_by_name(workspace, str(name))

    @staticmethod
    def list(workspace: duto.Workspace) -> List[Union[duto.FileDataset, duto.TabularDataset]]:
        """All registered datasets, in their latest versions.

        Args:
            workspace: the workspace.

        Returns:
            The datasets.
        """
        return [*workspace.datasets.values()]

    @staticmethod
    def from_delimited_files(
        path: Paths,
        separator: str = ",",
        header: Union[bool, PromoteHeadersBehavior] = True,
        encoding: Union[str, FileEncoding] = "utf8",
        **kwargs: object,
    ) -> duto.TabularDataset:
        """The old spelling of `Dataset.Tabular.from_delimited_files`.

        Args:
            path: as there.
            separator: as there.
            header: as there.
            encoding: as there.
            kwargs: taken and not used.

        Returns:
            The dataset.

        Raises:
            UserErrorException: the path is no place for data.
        """
        return duto.TabularDatasetFactory.from_delimited_files(
            path, separator=separator, header=header, encoding=encoding
        )
