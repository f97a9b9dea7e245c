"""Datastores: where data lie, by name; files go in and out over the studio's address."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Mapping, Optional, Tuple

from duto.client.http import path_of, segment
from duto.client.local_files import Failures, files_below, path_on_datastore, place_of
from duto.data.elsewhere import instead_of
from duto.data.references import DataReference
from duto.data.registering import Registering
from duto.exceptions import NotFoundException, UserErrorException, datastore_not_found
from duto.not_built import passed_over, refusing
from duto.spec import globs
from duto.spec.filenames import spelled
from duto.spec.units import counted

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace

_AT_ONCE = 8
_ITS_OWN = "the studio has the credentials of its datastores; Datastore.register_... sets them."
# Both are folders of the studio's own.
_STANDARD = ("workspaceblobstore", "workspacefilestore")


class AbstractDatastore:
    """A named place for data in a workspace.

    Attributes:
        workspace: the workspace.
        name: its name.
        datastore_type: what Azure ML calls its kind, such as `AzureBlob`.
    """

    def __init__(self, workspace: Workspace, name: str, datastore_type: str) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: its name.
            datastore_type: what `datastore_type` gives.
        """
        self.workspace = workspace
        self.name = name
        self.datastore_type = datastore_type

    def set_as_default(self) -> None:
        """Make this the workspace's default datastore.

        Raises:
            ForbiddenException: these credentials may not change the workspace.
        """
        self.workspace.set_default_datastore(self.name)

    def unregister(self) -> None:
        """Take the datastore out of the workspace, with its credentials. What lies there stays.

        Raises:
            UserErrorException: it is one of the two that every workspace has, or the default one.
            ForbiddenException: these credentials may not change datastores.
        """
        self.workspace._client.delete(self.workspace._path(f"datastores/{segment(self.name)}/"))

    def __repr__(self) -> str:
        return f'{{"name": "{self.name}", "datastore_type": "{self.datastore_type}"}}'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbstractDatastore) and (self.name, self.workspace) == (other.name, other.workspace)

    def __hash__(self) -> int:
        return hash(self.name)


class AbstractAzureStorageDatastore(AbstractDatastore):
    """A datastore of files.

    Paths are relative to the datastore, with `/` between their parts, and lead out of it nowhere.

    Attributes:
        container_name: the container, share or bucket; of a folder of the studio's own the name of the datastore.
        account_name: the account; `duto` of a folder of the studio's own.
        is_sas: always False: a studio tells nobody which credentials it has.
    """

    container_name = ""
    account_name = ""
    is_sas = False

    def path(self, path: Optional[str] = None, data_reference_name: Optional[str] = None) -> DataReference:
        """A path on the datastore as an input of a step.

        Args:
            path: a file or a folder; None for the whole datastore.
            data_reference_name: name of the input; None makes one of the path, or of the datastore's name.

        Returns:
            The reference.
        """
        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> DataReference:
        """The whole datastore as a mounted input of a step.

        Returns:
            The reference.
        """
        return DataReference(self).as_mount()

    def as_download(self, path_on_compute: Optional[str] = None) -> DataReference:
        """The whole datastore as an input of a step that is copied to the node first.

        Args:
            path_on_compute: path below the working directory where the copy is to lie; None leaves that to the host.

        Returns:
            The reference.
        """
        return DataReference(self).as_download(path_on_compute)

    def as_upload(self, path_on_compute: Optional[str] = None) -> DataReference:
        """The whole datastore as a place to write to. As an output of a step it is not built: use `PipelineData`.

        Args:
            path_on_compute: path below the working directory where the script writes.

        Returns:
            The reference.
        """
        return DataReference(self).as_upload(path_on_compute)

    def upload(
        self, src_dir: str, target_path: Optional[str] = None, overwrite: bool = False, show_progress: bool = True
    ) -> DataReference:
        """Copy a folder with all below it to the datastore, eight files at once.

        Args:
            src_dir: the folder on this machine.
            target_path: folder on the datastore; None for its root.
            overwrite: replace files that are there; else they stay as they are, and are told.
            show_progress: print one line with what was copied.

        Returns:
            The reference to `target_path`.

        Raises:
            UserErrorException: `src_dir` is no folder, or some files could not be copied: it names them when all
                others have been.
        """
        root = Path(src_dir)
        if not root.is_dir():
            raise UserErrorException(f"The folder '{src_dir}' does not exist.")
        pairs = [(place, path) for path, place in files_below(root)]
        return self._send(pairs, target_path, overwrite, show_progress)

    def upload_files(
        self,
        files: Iterable[str],
        relative_root: Optional[str] = None,
        target_path: Optional[str] = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy files to the datastore, each by its path below `relative_root`.

        Args:
            files: files on this machine.
            relative_root: folder whose part of the paths is left out; None for the folder that they have in common.
            target_path: folder on the datastore; None for its root.
            overwrite: replace files that are there; else they stay as they are, and are told.
            show_progress: print one line with what was copied.

        Returns:
            The reference to `target_path`.

        Raises:
            UserErrorException: some of the files do not exist, or one lies outside of `relative_root` (then none is
                copied); or some could not be copied: it names them when all others have been.
        """
        paths = [Path(file).absolute() for file in files]
        missing = [str(path) for path in paths if not path.is_file()]
        if missing:
            raise UserErrorException("\n".join(f"The file '{path}' does not exist." for path in missing))
        root = Path(relative_root or os.path.commonpath([path.parent for path in paths] or [Path()])).absolute()
        try:
            pairs = [(path, spelled(path.relative_to(root).as_posix())) for path in paths]
        except ValueError:
            raise UserErrorException(f"Not all of the files lie in '{relative_root}'.") from None
        return self._send(pairs, target_path, overwrite, show_progress)

    def download(
        self, target_path: str, prefix: Optional[str] = None, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """Copy files to a folder, each under its path on the datastore.

        Args:
            target_path: folder on this machine; it is made.
            prefix: a file, a folder, or a pattern of `*`, `?` and `[...]`; None for all.
            overwrite: replace files that are there; else they stay as they are.
            show_progress: print one line with what was copied.

        Returns:
            The count of files that were copied; those that stayed are not counted.

        Raises:
            UserErrorException: some files could not be copied: it names them when all others have been.
        """
        found = [item["path"] for item in self._list(prefix)]

        def fetch(path: str) -> bool:
            target = place_of(target_path, path)
            if target.exists() and not overwrite:
                return False
            self._client.download(self._files + path_of(path), target)
            return True

        return in_parallel(fetch, found, "Downloading", show_progress)

    def _list(self, prefix: Optional[str]) -> List[Mapping[str, Any]]:
        """Files at or below a prefix; a prefix that holds `*` or `?` is a pattern."""
        wanted = path_on_datastore(prefix)
        fixed = wanted
        if any(mark in wanted for mark in "*?["):
            head = wanted.replace("?", "*").replace("[", "*").split("*")[0]
            fixed = head.rsplit("/", 1)[0] if "/" in head else ""
        found = self._client.pages(self.workspace._path(f"datastores/{segment(self.name)}/files/"), prefix=fixed)
        if fixed == wanted:
            return [
                item for item in found if not wanted or item["path"] == wanted or item["path"].startswith(wanted + "/")
            ]
        pattern = globs.crossing(wanted)
        return [item for item in found if pattern.fullmatch(item["path"])]

    def _send(
        self, pairs: List[Tuple[Path, str]], target_path: Optional[str], overwrite: bool, show_progress: bool
    ) -> DataReference:
        target = path_on_datastore(target_path)

        def send(pair: Tuple[Path, str]) -> bool:
            source, name = pair
            path = f"{target}/{name}" if target else name
            if not overwrite and self._exists(path):
                return False
            self._client.upload(self._files + path_of(path), source, overwrite=1)
            return True

        in_parallel(send, pairs, "Uploading", show_progress, lambda pair: str(pair[0]))
        return DataReference(self, None, target or None)

    def _exists(self, path: str) -> bool:
        return any(
            item["path"] == path
            for item in self._client.pages(self.workspace._path(f"datastores/{segment(self.name)}/files/"), prefix=path)
        )

    @property
    def _client(self) -> Any:
        return self.workspace._client

    @property
    def _files(self) -> str:
        return str(self.workspace._path(f"datastores/{segment(self.name)}/files/"))


class AzureBlobDatastore(AbstractAzureStorageDatastore):
    """A datastore of files under the class name that programs know; here a folder or a bucket of one's own.

    Attributes:
        subscription_id: what was given.
        resource_group: what was given.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        container_name: str,
        account_name: str,
        sas_token: object = None,
        account_key: object = None,
        protocol: object = None,
        endpoint: object = None,
        request_session: object = None,
        workspace_msi_has_access: bool = False,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        service_data_access_auth_identity: object = None,
    ) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: name of the datastore.
            container_name: what `container_name` gives.
            account_name: what `account_name` gives.
            sas_token: passed over with a warning: the studio has the credentials.
            account_key: passed over with a warning: the studio has the credentials.
            protocol: taken and not used.
            endpoint: taken and not used.
            request_session: taken and not used.
            workspace_msi_has_access: taken and not used.
            subscription_id: kept as it is.
            resource_group: kept as it is.
            service_data_access_auth_identity: taken and not used.
        """
        passed_over("AzureBlobDatastore", _ITS_OWN, sas_token=sas_token, account_key=account_key)
        super().__init__(workspace, name, "AzureBlob")
        self.container_name = container_name
        self.account_name = account_name
        self.subscription_id = subscription_id
        self.resource_group = resource_group


class AzureFileDatastore(AbstractAzureStorageDatastore):
    """A file share under the class name that programs know: `workspacefilestore`."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        container_name: str,
        account_name: str,
        sas_token: object = None,
        account_key: object = None,
        protocol: object = None,
        endpoint: object = None,
        request_session: object = None,
        service_data_access_auth_identity: object = None,
    ) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: name of the datastore.
            container_name: what `container_name` gives.
            account_name: what `account_name` gives.
            sas_token: passed over with a warning: the studio has the credentials.
            account_key: passed over with a warning: the studio has the credentials.
            protocol: taken and not used.
            endpoint: taken and not used.
            request_session: taken and not used.
            service_data_access_auth_identity: taken and not used.
        """
        passed_over("AzureFileDatastore", _ITS_OWN, sas_token=sas_token, account_key=account_key)
        super().__init__(workspace, name, "AzureFile")
        self.container_name = container_name
        self.account_name = account_name


class AzureDataLakeGen2Datastore(AbstractAzureStorageDatastore):
    """A file system of Data Lake Storage Gen2."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        container_name: str,
        account_name: str,
        tenant_id: object = None,
        client_id: object = None,
        client_secret: object = None,
        resource_url: object = None,
        authority_url: object = None,
        protocol: object = None,
        endpoint: object = None,
        service_data_access_auth_identity: object = None,
    ) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: name of the datastore.
            container_name: what `container_name` gives.
            account_name: what `account_name` gives.
            tenant_id: passed over with a warning: the studio has the credentials.
            client_id: passed over with a warning: the studio has the credentials.
            client_secret: passed over with a warning: the studio has the credentials.
            resource_url: taken and not used.
            authority_url: taken and not used.
            protocol: taken and not used.
            endpoint: taken and not used.
            service_data_access_auth_identity: taken and not used.
        """
        passed_over(
            "AzureDataLakeGen2Datastore", _ITS_OWN, tenant_id=tenant_id, client_id=client_id, client_secret=client_secret
        )  # fmt: skip
        super().__init__(workspace, name, "AzureDataLakeGen2")
        self.container_name = container_name
        self.account_name = account_name


class DatabaseDatastore(AbstractDatastore):
    """A database, which is read by a query: `Dataset.Tabular.from_sql_query`.

    Attributes:
        server_name: its host; empty of a file.
        database_name: the database, or the path of its file on the studio's machine.
    """

    server_name = ""
    database_name = ""


class AzureSqlDatabaseDatastore(DatabaseDatastore):
    """A database of Azure SQL or SQL Server."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        server_name: str,
        database_name: str,
        tenant_id: object = None,
        client_id: object = None,
        client_secret: object = None,
        resource_url: object = None,
        authority_url: object = None,
        username: object = None,
        password: object = None,
        auth_type: object = None,
        service_data_access_auth_identity: object = None,
    ) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: name of the datastore.
            server_name: what `server_name` gives.
            database_name: what `database_name` gives.
            tenant_id: passed over with a warning: the studio has the credentials.
            client_id: passed over with a warning: the studio has the credentials.
            client_secret: passed over with a warning: the studio has the credentials.
            resource_url: taken and not used.
            authority_url: taken and not used.
            username: passed over with a warning: the studio has the credentials.
            password: passed over with a warning, like `client_secret`.
            auth_type: passed over with a warning: the studio has the credentials.
            service_data_access_auth_identity: taken and not used.
        """
        passed_over(
            "AzureSqlDatabaseDatastore", _ITS_OWN, tenant_id=tenant_id, client_id=client_id, client_secret=client_secret,
            username=username, password=password, auth_type=auth_type,
        )  # fmt: skip
        super().__init__(workspace, name, "AzureSqlDatabase")
        self.server_name, self.database_name = server_name, database_name


class AzurePostgreSqlDatastore(DatabaseDatastore):
    """A database of PostgreSQL."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        server_name: str,
        database_name: str,
        user_id: object = None,
        user_password: object = None,
        port_number: object = None,
        enforce_ssl: object = None,
    ) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: name of the datastore.
            server_name: what `server_name` gives.
            database_name: what `database_name` gives.
            user_id: passed over with a warning: the studio has the credentials.
            user_password: passed over with a warning: the studio has the credentials.
            port_number: passed over with a warning: the studio has the credentials.
            enforce_ssl: passed over with a warning: the studio has the credentials.
        """
        passed_over(
            "AzurePostgreSqlDatastore", _ITS_OWN, user_id=user_id, user_password=user_password, port_number=port_number,
            enforce_ssl=enforce_ssl,
        )  # fmt: skip
        super().__init__(workspace, name, "AzurePostgreSql")
        self.server_name, self.database_name = server_name, database_name


class AzureMySqlDatastore(DatabaseDatastore):
    """A database of MySQL or MariaDB."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        server_name: str,
        database_name: str,
        user_id: object = None,
        user_password: object = None,
        port_number: object = None,
    ) -> None:
        """Programs get one by `Datastore(workspace, name)`.

        Args:
            workspace: the workspace.
            name: name of the datastore.
            server_name: what `server_name` gives.
            database_name: what `database_name` gives.
            user_id: passed over with a warning: the studio has the credentials.
            user_password: passed over with a warning: the studio has the credentials.
            port_number: passed over with a warning: the studio has the credentials.
        """
        passed_over(
            "AzureMySqlDatastore", _ITS_OWN, user_id=user_id, user_password=user_password, port_number=port_number
        )  # fmt: skip
        super().__init__(workspace, name, "AzureMySql")
        self.server_name, self.database_name = server_name, database_name


_STORAGE = {
    "azure_blob": AzureBlobDatastore,
    "adls_gen2": AzureDataLakeGen2Datastore,
    "azure_files": AzureFileDatastore,
}
_DATABASES = {
    "sqlserver": AzureSqlDatabaseDatastore,
    "postgresql": AzurePostgreSqlDatastore,
    "mysql": AzureMySqlDatastore,
}
# Read on the studio's machine, so there is no server.
_DATABASE_FILES = ("sqlite", "duckdb")


def datastore_of(workspace: Any, item: Mapping[str, Any]) -> Any:
    """The datastore of a listed item, of the class of its kind."""
    name, kind, options = str(item["name"]), str(item.get("kind") or "local"), item.get("options") or {}
    if kind == "local":
        own = AzureFileDatastore if name == "workspacefilestore" else AzureBlobDatastore
        return own(workspace, name, name, "duto")
    if kind in _DATABASES:
        return _DATABASES[kind](workspace, name, options.get("host", ""), options.get("database", ""))
    if kind in _DATABASE_FILES:
        file = DatabaseDatastore(workspace, name, str(item.get("datastore_type") or kind))
        file.database_name = str(options.get("path", ""))
        return file
    if kind in _STORAGE:
        return _STORAGE[kind](workspace, name, options.get("container", ""), options.get("account", ""))
    found = AbstractAzureStorageDatastore(workspace, name, str(item.get("datastore_type") or kind))
    found.container_name = str(options.get("bucket") or options.get("path") or options.get("endpoint") or "")
    return found


class _DatastoreType(type):
    """Lets `Datastore(ws, name)` give a datastore of its own class, as programs expect."""

    def __call__(cls, workspace: Workspace, name: Optional[str] = None) -> Any:
        return Datastore.get(workspace, name) if name else Datastore.get_default(workspace)

    def __getattr__(cls, name: str) -> Any:
        """Of a kind of store that is not known here, what to use instead."""
        if not name.startswith("register_"):
            raise AttributeError(f"type object 'Datastore' has no attribute '{name}'")
        known = ", ".join(each for each in sorted(dir(Registering)) if each.startswith("register_"))
        advice = instead_of(name[len("register_") :]) or f"There are {known}."
        raise AttributeError(f"Datastore has no '{name}': {advice}")


@refusing(
    "set_as_default unregister",
    "Datastore(workspace, name) gives one that has it.",
)
class Datastore(Registering, metaclass=_DatastoreType):
    """Looks datastores up. `Datastore(workspace, name)` is `Datastore.get`, without a name `Datastore.get_default`."""

    def __init__(self, workspace: Workspace, name: Optional[str] = None) -> None:
        """Gives an `AzureBlobDatastore` or whatever its kind is, no object of this class.

        Args:
            workspace: the workspace.
            name: name of a datastore; None for the default one.

        Raises:
            NotFoundException: there is none of this name; as in `get`.
        """
        raise AssertionError("unreachable: the metaclass answers the call")

    @staticmethod
    def _of(workspace: Any, item: Mapping[str, Any]) -> Any:
        """The datastore of a listed item."""
        return datastore_of(workspace, item)

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> AbstractAzureStorageDatastore:
        """The datastore of this name.

        Args:
            workspace: the workspace.
            datastore_name: its name.

        Returns:
            The datastore, of the class of its kind: `AzureBlobDatastore`, `AzurePostgreSqlDatastore` and so on.

        Raises:
            NotFoundException: there is none of this name. It is msrest's `HttpOperationError` as well, for programs
                catch either.
        """
        try:
            item = workspace._client.get(workspace._path(f"datastores/{segment(datastore_name)}/"))
        except NotFoundException as error:
            text = f"There is no datastore '{datastore_name}' in workspace '{workspace.name}'."
            raise datastore_not_found(datastore_name, text) from error
        found: AbstractAzureStorageDatastore = datastore_of(workspace, item)
        return found

    @staticmethod
    def get_default(workspace: Workspace) -> AbstractAzureStorageDatastore:
        """The workspace's default datastore.

        Args:
            workspace: the workspace.

        Returns:
            The datastore, `workspaceblobstore` unless it was changed.
        """
        name = str(workspace._fact("default_datastore") or _STANDARD[0])
        found: AbstractAzureStorageDatastore = (
            datastore_of(workspace, {"name": name}) if name in _STANDARD else Datastore.get(workspace, name)
        )
        return found


def in_parallel(
    action: Callable[[Any], bool], items: List[Any], verb: str, show: bool, name: Callable[[Any], str] = str
) -> int:
    """Do the action for all items, several at once; what was skipped is told. The count of those that it was done for.

    Raises `UserErrorException` that names those that failed when all others are done (`Failures.raise_any`).
    """
    failures = Failures()
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        done = list(pool.map(lambda item: failures.take(name(item), action, item), items))
    if show and items:
        kept = f", {done.count(False)} already there" if False in done else ""
        failed = f", {done.count(None)} not copied" if None in done else ""
        print(f"{verb} {counted(len(items), 'file')}: {done.count(True)} copied{kept}{failed}.")
    failures.raise_any()
    return done.count(True)
