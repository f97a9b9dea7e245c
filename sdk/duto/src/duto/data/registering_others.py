"""Datastores of the kinds that Azure ML has not, registered; and how any is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional

import duto

if TYPE_CHECKING:
    from duto.data.datastore import AbstractAzureStorageDatastore, DatabaseDatastore
    from duto.workspace.workspace import Workspace


class RegisteringOthers:
    """What `Datastore` registers beside Azure ML's kinds."""

    @staticmethod
    def register_s3(
        workspace: Workspace,
        datastore_name: str,
        bucket_name: str,
        access_key_id: Optional[str] = None,
        secret_access_key: Optional[str] = None,
        session_token: Optional[str] = None,
        endpoint: Optional[str] = None,
        region: Optional[str] = None,
        path_style: bool = False,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a bucket of Amazon S3, or of a server that speaks its protocol. Azure ML has no such function.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            bucket_name: the bucket.
            access_key_id: id of the key; None for a public bucket.
            secret_access_key: its secret.
            session_token: of a temporary key.
            endpoint: address of a server of one's own, such as `http://localhost:9000`; None is Amazon.
            region: the region; None is `us-east-1`.
            path_style: the bucket stands in the path, not in the host's name.
            overwrite: replace a datastore of this name.
            create_if_not_exists: make the bucket where there is none.
            skip_validation: register without reaching the store.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options = {
            "bucket": bucket_name,
            "endpoint": endpoint,
            "region": region,
            "path_style": "true" if path_style else "",
        }
        keys = {"access_key_id": access_key_id, "secret_access_key": secret_access_key, "session_token": session_token}
        found: AbstractAzureStorageDatastore = register(
            workspace, datastore_name, "s3", options, keys, overwrite, create_if_not_exists, skip_validation
        )
        return found

    @staticmethod
    def register_gcs(
        workspace: Workspace,
        datastore_name: str,
        bucket_name: str,
        access_id: Optional[str] = None,
        secret: Optional[str] = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a bucket of Google Cloud Storage. Azure ML has no such function.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            bucket_name: the bucket.
            access_id: access id of an HMAC key of a service account; None for a public bucket.
            secret: its secret.
            endpoint: address of another server; None is Google's.
            overwrite: replace a datastore of this name.
            create_if_not_exists: make the bucket where there is none.
            skip_validation: register without reaching the store.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options, keys = {"bucket": bucket_name, "endpoint": endpoint}, {"access_id": access_id, "secret": secret}
        found: AbstractAzureStorageDatastore = register(
            workspace, datastore_name, "gcs", options, keys, overwrite, create_if_not_exists, skip_validation
        )
        return found

    @staticmethod
    def register_sftp(
        workspace: Workspace,
        datastore_name: str,
        host: str,
        username: str,
        host_key: str,
        password: Optional[str] = None,
        private_key: Optional[str] = None,
        passphrase: Optional[str] = None,
        path: Optional[str] = None,
        port: int = 22,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a folder of a server that is reached by SSH. Azure ML has no such function.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            host: the server.
            username: the user.
            host_key: the server's key, as `ssh-keyscan HOST` prints it.
            password: the user's password.
            private_key: text of a private key, in its place.
            passphrase: passphrase of the private key.
            path: the folder; None is where the user begins.
            port: the port.
            overwrite: replace a datastore of this name.
            create_if_not_exists: make the folder where there is none.
            skip_validation: register without reaching the store.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options = {"host": host, "port": str(port), "username": username, "path": path, "host_key": host_key}
        keys = {"password": password, "private_key": private_key, "passphrase": passphrase}
        found: AbstractAzureStorageDatastore = register(
            workspace, datastore_name, "sftp", options, keys, overwrite, create_if_not_exists, skip_validation
        )
        return found

    @staticmethod
    def register_http(
        workspace: Workspace,
        datastore_name: str,
        url: str,
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        overwrite: bool = False,
        skip_validation: bool = False,
    ) -> AbstractAzureStorageDatastore:
        """Register a web server to read files from; one that speaks WebDAV lists its folders, of others each file is named by
        its path. Azure ML has no such function.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            url: address that the paths are below.
            username: the user.
            password: their password.
            token: a token that is sent as `Authorization: Bearer`, in their place.
            overwrite: replace a datastore of this name.
            skip_validation: register without reaching the server.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options = {"endpoint": url, "username": username}
        found: AbstractAzureStorageDatastore = register(
            workspace, datastore_name, "http", options, {"password": password, "token": token}, overwrite, False, skip_validation
        )  # fmt: skip
        return found

    @staticmethod
    def register_sqlite(
        workspace: Workspace, datastore_name: str, path: str, overwrite: bool = False, skip_validation: bool = False
    ) -> DatabaseDatastore:
        """Register a file of SQLite on the studio's machine, to read by query. Azure ML has no such function.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            path: whole path of the file, in a folder that the studio's `DUTO_DATABASE_FOLDERS` names.
            overwrite: replace a datastore of this name.
            skip_validation: register without opening the file.

        Returns:
            The datastore.

        Raises:
            UserErrorException: the file lies in no such folder or is no such database, or as in
                `register_azure_blob_container`.
        """
        found: DatabaseDatastore = register(
            workspace, datastore_name, "sqlite", {"path": path}, {}, overwrite, False, skip_validation
        )
        return found

    @staticmethod
    def register_duckdb(
        workspace: Workspace, datastore_name: str, path: str, overwrite: bool = False, skip_validation: bool = False
    ) -> DatabaseDatastore:
        """Register a file of DuckDB on the studio's machine, to read by query. Azure ML has no such function.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            path: as in `register_sqlite`.
            overwrite: replace a datastore of this name.
            skip_validation: register without opening the file.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_sqlite`.
        """
        found: DatabaseDatastore = register(
            workspace, datastore_name, "duckdb", {"path": path}, {}, overwrite, False, skip_validation
        )
        return found


def register(
    workspace: Any,
    name: str,
    kind: str,
    options: Mapping[str, Optional[str]],
    credentials: Mapping[str, Optional[str]],
    overwrite: bool,
    create: bool,
    skip: object,
) -> Any:
    """Have the studio register a datastore.

    Args:
        workspace: the workspace.
        name: name of the datastore.
        kind: its kind, as the studio calls it.
        options: the options of that kind; those that are None are left out.
        credentials: its credentials, likewise.
        overwrite: replace a datastore of this name.
        create: make its container where there is none.
        skip: register without reaching it.

    Returns:
        The datastore, of the class of its kind.
    """
    body = {
        "name": name,
        "kind": kind,
        "options": {key: str(value) for key, value in options.items() if value},
        "credentials": {key: str(value) for key, value in credentials.items() if value},
        "overwrite": bool(overwrite),
        "create_if_missing": bool(create),
        "check": not skip,
    }
    return duto.Datastore._of(workspace, workspace._client.post(workspace._path("datastores/"), body))
