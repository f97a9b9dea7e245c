"""Datastores are registered: Azure ML's functions with their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, NoReturn, Optional

from duto.data.registering_others import RegisteringOthers, register
from duto.exceptions import UserErrorException
from duto.not_built import passed_over

if TYPE_CHECKING:
    from duto.data.datastore import (
        AzureBlobDatastore,
        AzureDataLakeGen2Datastore,
        AzureFileDatastore,
        AzureMySqlDatastore,
        AzurePostgreSqlDatastore,
        AzureSqlDatabaseDatastore,
    )
    from duto.workspace.workspace import Workspace

_CLOUD = "core.windows.net"
_NOT_AZURES = "the studio reaches the store by the credentials alone."


class Registering(RegisteringOthers):
    """What `Datastore` registers."""

    @staticmethod
    def register_azure_blob_container(
        workspace: Workspace,
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: Optional[str] = None,
        account_key: Optional[str] = None,
        protocol: Optional[str] = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        blob_cache_timeout: object = None,
        grant_workspace_access: bool = False,
        subscription_id: object = None,
        resource_group: object = None,
        account_url: Optional[str] = None,
        tenant_id: Optional[str] = None,
        client_id: Optional[str] = None,
        client_secret: Optional[str] = None,
        authority_url: Optional[str] = None,
    ) -> AzureBlobDatastore:
        """Register a container of Azure Blob Storage, or of a server that speaks its protocol.

        Args:
            workspace: the workspace.
            datastore_name: name of the datastore: lower-case letters, digits and underscores.
            container_name: the container.
            account_name: the account.
            sas_token: a SAS token of the container or the account, with read and list at least.
            account_key: the account's key, in its place.
            protocol: `https` or `http`; None is `https`.
            endpoint: suffix of the cloud's addresses; None is `core.windows.net`.
            overwrite: replace a datastore of this name.
            create_if_not_exists: make the container where there is none.
            skip_validation: register without reaching the store.
            blob_cache_timeout: taken and not used: nothing is mounted.
            grant_workspace_access: passed over with a warning: the studio reaches the store by the credentials alone.
            subscription_id: taken and not used.
            resource_group: taken and not used.
            account_url: address of the account, such as `http://localhost:10000/devstoreaccount1`, for a server of
                one's own; in the place of `protocol` and `endpoint`.
            tenant_id: tenant of a service principal, in the place of a key and a token. Azure ML takes one for Data Lake
                alone.
            client_id: its client id.
            client_secret: its secret.
            authority_url: where it signs in; None is `https://login.microsoftonline.com`.

        Returns:
            The datastore.

        Raises:
            UserErrorException: a name or a credential is none, there is a datastore of this name, or the store cannot be
                reached: it says which stage failed.
        """
        passed_over("register_azure_blob_container", _NOT_AZURES, grant_workspace_access=grant_workspace_access)
        options = _account(account_name, container_name, protocol, endpoint, account_url, "blob")
        options["authority"] = authority_url
        keys = {"account_key": account_key, "sas_token": sas_token}
        found: AzureBlobDatastore = register(
            workspace, datastore_name, "azure_blob", options, {**keys, **_principal(tenant_id, client_id, client_secret)},
            overwrite, create_if_not_exists, skip_validation,
        )  # fmt: skip
        return found

    @staticmethod
    def register_azure_file_share(
        workspace: Workspace,
        datastore_name: str,
        file_share_name: str,
        account_name: str,
        sas_token: Optional[str] = None,
        account_key: Optional[str] = None,
        protocol: Optional[str] = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        account_url: Optional[str] = None,
    ) -> AzureFileDatastore:
        """Register a share of Azure Files.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            file_share_name: the share.
            account_name: the account.
            sas_token: as in `register_azure_blob_container`.
            account_key: as in `register_azure_blob_container`.
            protocol: as in `register_azure_blob_container`.
            endpoint: as in `register_azure_blob_container`.
            overwrite: replace a datastore of this name.
            create_if_not_exists: make the share where there is none.
            skip_validation: register without reaching the store.
            account_url: as in `register_azure_blob_container`.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options = _account(account_name, file_share_name, protocol, endpoint, account_url, "file")
        found: AzureFileDatastore = register(
            workspace, datastore_name, "azure_files", options, {"account_key": account_key, "sas_token": sas_token},
            overwrite, create_if_not_exists, skip_validation,
        )  # fmt: skip
        return found

    @staticmethod
    def register_azure_data_lake_gen2(
        workspace: Workspace,
        datastore_name: str,
        filesystem: str,
        account_name: str,
        tenant_id: Optional[str] = None,
        client_id: Optional[str] = None,
        client_secret: Optional[str] = None,
        resource_url: object = None,
        authority_url: Optional[str] = None,
        protocol: Optional[str] = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        subscription_id: object = None,
        resource_group: object = None,
        grant_workspace_access: bool = False,
        account_key: Optional[str] = None,
        sas_token: Optional[str] = None,
        skip_validation: bool = False,
        account_url: Optional[str] = None,
    ) -> AzureDataLakeGen2Datastore:
        """Register a file system of Data Lake Storage Gen2. It is read and written by the account's Blob endpoint.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            filesystem: the file system.
            account_name: the account.
            tenant_id: as in `register_azure_blob_container`.
            client_id: as in `register_azure_blob_container`.
            client_secret: as in `register_azure_blob_container`.
            resource_url: taken and not used: it is `https://storage.azure.com` in all clouds.
            authority_url: as in `register_azure_blob_container`.
            protocol: as in `register_azure_blob_container`.
            endpoint: as in `register_azure_blob_container`.
            overwrite: replace a datastore of this name.
            subscription_id: taken and not used.
            resource_group: taken and not used.
            grant_workspace_access: passed over with a warning: the studio reaches the store by the credentials alone.
            account_key: the account's key.
            sas_token: a SAS token, in its place.
            skip_validation: register without reaching the store.
            account_url: address of the account's Blob endpoint, for a server of one's own.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        passed_over("register_azure_data_lake_gen2", _NOT_AZURES, grant_workspace_access=grant_workspace_access)
        options = _account(account_name, filesystem, protocol, endpoint, account_url, "blob")
        options["authority"] = authority_url
        keys = {"account_key": account_key, "sas_token": sas_token}
        found: AzureDataLakeGen2Datastore = register(
            workspace, datastore_name, "adls_gen2", options, {**keys, **_principal(tenant_id, client_id, client_secret)},
            overwrite, False, skip_validation,
        )  # fmt: skip
        return found

    @staticmethod
    def register_azure_data_lake(
        workspace: object,
        datastore_name: str,
        store_name: str,
        tenant_id: object = None,
        client_id: object = None,
        client_secret: object = None,
        resource_url: object = None,
        authority_url: object = None,
        subscription_id: object = None,
        resource_group: object = None,
        overwrite: bool = False,
        grant_workspace_access: bool = False,
    ) -> NoReturn:
        """Refused: Azure closed Data Lake Storage Gen1. The arguments are Azure ML's, and no other is used.

        Args:
            workspace: taken and not used.
            datastore_name: taken and not used.
            store_name: told in the error.
            tenant_id: taken and not used.
            client_id: taken and not used.
            client_secret: taken and not used.
            resource_url: taken and not used.
            authority_url: taken and not used.
            subscription_id: taken and not used.
            resource_group: taken and not used.
            overwrite: taken and not used.
            grant_workspace_access: taken and not used.

        Raises:
            UserErrorException: always; it says what to do instead.
        """
        raise UserErrorException(
            f"'{store_name}' cannot be registered: Azure closed Data Lake Storage Gen1 on 29 February 2024. Register the "
            "Gen2 account that its data were moved to, with Datastore.register_azure_data_lake_gen2."
        )

    @staticmethod
    def register_azure_sql_database(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        tenant_id: Optional[str] = None,
        client_id: Optional[str] = None,
        client_secret: Optional[str] = None,
        resource_url: object = None,
        authority_url: object = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        username: Optional[str] = None,
        password: Optional[str] = None,
        subscription_id: object = None,
        resource_group: object = None,
        grant_workspace_access: bool = False,
        **kwargs: object,
    ) -> AzureSqlDatabaseDatastore:
        """Register a database of Azure SQL or SQL Server. The studio's machine needs Microsoft's driver for it.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            server_name: the server: its name in Azure, or a host as it stands, which has a dot in it.
            database_name: the database.
            tenant_id: of a service principal, which is refused: give `username` and `password`.
            client_id: as `tenant_id`.
            client_secret: as `tenant_id`.
            resource_url: taken and not used.
            authority_url: taken and not used.
            endpoint: suffix of the server's address; None is `database.windows.net`.
            overwrite: replace a datastore of this name.
            username: the user, who should have no right to write.
            password: their password.
            subscription_id: taken and not used.
            resource_group: taken and not used.
            grant_workspace_access: passed over with a warning: the studio reaches the store by the credentials alone.
            kwargs: `skip_validation`, to register without reaching the database.

        Returns:
            The datastore.

        Raises:
            UserErrorException: a service principal is given, or as in `register_azure_blob_container`.
        """
        passed_over("register_azure_sql_database", _NOT_AZURES, grant_workspace_access=grant_workspace_access)
        if tenant_id or client_id or client_secret:
            raise UserErrorException(
                "register_azure_sql_database takes no service principal (tenant_id, client_id, client_secret): give username "
                "and password."
            )
        options = _server(server_name, endpoint or "database.windows.net", None, database_name, username)
        found: AzureSqlDatabaseDatastore = register(
            workspace, datastore_name, "sqlserver", options, {"password": password}, overwrite, False, kwargs.get("skip_validation")
        )  # fmt: skip
        return found

    @staticmethod
    def register_azure_postgre_sql(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: Optional[object] = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        enforce_ssl: bool = True,
        **kwargs: object,
    ) -> AzurePostgreSqlDatastore:
        """Register a database of PostgreSQL.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            server_name: as in `register_azure_sql_database`.
            database_name: the database.
            user_id: the user.
            user_password: their password.
            port_number: the port; None is 5432.
            endpoint: suffix of the server's address; None is `postgres.database.azure.com`.
            overwrite: replace a datastore of this name.
            enforce_ssl: connect by TLS alone; False takes what the server has.
            kwargs: `skip_validation`, to register without reaching the database.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options = _server(server_name, endpoint or "postgres.database.azure.com", port_number, database_name, user_id)
        options["sslmode"] = "require" if enforce_ssl else "prefer"
        found: AzurePostgreSqlDatastore = register(
            workspace, datastore_name, "postgresql", options, {"password": user_password}, overwrite, False,
            kwargs.get("skip_validation"),
        )  # fmt: skip
        return found

    @staticmethod
    def register_azure_my_sql(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: Optional[object] = None,
        endpoint: Optional[str] = None,
        overwrite: bool = False,
        **kwargs: object,
    ) -> AzureMySqlDatastore:
        """Register a database of MySQL or MariaDB.

        Args:
            workspace: the workspace.
            datastore_name: as in `register_azure_blob_container`.
            server_name: as in `register_azure_sql_database`.
            database_name: the database.
            user_id: the user.
            user_password: their password.
            port_number: the port; None is 3306.
            endpoint: suffix of the server's address; None is `mysql.database.azure.com`.
            overwrite: replace a datastore of this name.
            kwargs: `skip_validation`, to register without reaching the database; `enforce_ssl`, to connect by TLS alone,
                which a server in Azure is by itself.

        Returns:
            The datastore.

        Raises:
            UserErrorException: as in `register_azure_blob_container`.
        """
        options = _server(server_name, endpoint or "mysql.database.azure.com", port_number, database_name, user_id)
        if kwargs.get("enforce_ssl", "." not in server_name):
            options["tls"] = "true"
        found: AzureMySqlDatastore = register(
            workspace, datastore_name, "mysql", options, {"password": user_password}, overwrite, False,
            kwargs.get("skip_validation"),
        )  # fmt: skip
        return found

    @staticmethod
    def register_dbfs(workspace: object, datastore_name: str) -> NoReturn:
        """Refused: Databricks' file system is reached from its clusters alone.

        Args:
            workspace: taken and not used.
            datastore_name: told in the error.

        Raises:
            UserErrorException: always; it says what to do instead.
        """
        raise UserErrorException(
            f"'{datastore_name}' cannot be registered: Databricks' file system is reached from its clusters alone. Register "
            "the storage that is mounted there, with Datastore.register_azure_blob_container or register_s3."
        )

    @staticmethod
    def register_hdfs(
        workspace: object,
        datastore_name: str,
        protocol: object,
        namenode_address: object,
        hdfs_server_certificate: object,
        kerberos_realm: object,
        kerberos_kdc_address: object,
        kerberos_principal: object,
        kerberos_keytab: object = None,
        kerberos_password: object = None,
        overwrite: bool = False,
    ) -> NoReturn:
        """Refused: HDFS is not attached. The arguments are Azure ML's, and no other is used.

        Args:
            workspace: taken and not used.
            datastore_name: told in the error.
            protocol: taken and not used.
            namenode_address: taken and not used.
            hdfs_server_certificate: taken and not used.
            kerberos_realm: taken and not used.
            kerberos_kdc_address: taken and not used.
            kerberos_principal: taken and not used.
            kerberos_keytab: taken and not used.
            kerberos_password: taken and not used.
            overwrite: taken and not used.

        Raises:
            UserErrorException: always; it says what to do instead.
        """
        raise UserErrorException(
            f"'{datastore_name}' cannot be registered: HDFS is not attached. Serve its files by an S3 gateway and register "
            "that with Datastore.register_s3, or read them in a Spark step."
        )


def _account(
    account: str, container: str, protocol: Optional[str], endpoint: Optional[str], url: Optional[str], service: str
) -> Dict[str, Optional[str]]:
    """Azure's options. An endpoint that is an address stands for itself, as `account_url` does."""
    if url is None and endpoint and endpoint.startswith(("http://", "https://")):
        url = endpoint
    if url is None and (protocol or "https").lower() == "http":
        url = f"http://{account}.{service}.{endpoint or _CLOUD}"
    return {"account": account, "container": container, "endpoint": url or endpoint}


def _server(name: str, suffix: str, port: object, database: str, user: Optional[str]) -> Dict[str, Optional[str]]:
    """A name without a dot is one of Azure's servers; `localhost` is itself."""
    host = name if "." in name or name == "localhost" else f"{name}.{suffix.lstrip('.')}"
    return {"host": host, "port": str(port) if port else None, "database": database, "username": user}


def _principal(tenant: Optional[str], client: Optional[str], secret: Optional[str]) -> Dict[str, Optional[str]]:
    """Azure's credentials of a service principal."""
    return {"tenant_id": tenant, "client_id": client, "client_secret": secret}
