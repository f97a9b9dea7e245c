"""Datastores by program: registered, found by the class of their kind, read, made the default, taken out again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azureml.core import Dataset, Datastore
from azureml.data.azure_postgre_sql_datastore import AzurePostgreSqlDatastore
from azureml.data.azure_storage_datastore import AzureBlobDatastore
from azureml.data.sql_data_reference import SqlDataReference
from azureml.exceptions import UserErrorException

from duto.exceptions import ForbiddenException, NotFoundException
from tests.datasets.store_servers import KEY, FaultySite
from tests.sdk.test_workspace import Programs, programs
from tests.workspace_scenario import scenario
from workspaces.models import Role

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["programs", "scenario"]  # fixtures


@pytest.fixture
def site(settings: Any) -> Iterator[FaultySite]:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    found = FaultySite()
    yield found
    found.close()


def test_a_store_is_registered_read_and_taken_out(programs: Programs, site: FaultySite, tmp_path: Path) -> None:
    ws = programs.workspace(Role.CONTRIBUTOR)
    site.files = {"/data/raw/a.csv": b"a,b\n1,2\n"}
    store = Datastore.register_http(ws, "site", f"{site.url}/data", token="secret-token")
    assert (store.name, store.datastore_type) == ("site", "Http") and Datastore.get(ws, "site") == store
    assert "site" in ws.datastores and "secret-token" not in repr(store) + str(vars(store))
    assert store.download(str(tmp_path), "raw/a.csv", show_progress=False) == 1
    assert (tmp_path / "raw/a.csv").read_bytes() == b"a,b\n1,2\n"
    assert Dataset.Tabular.from_delimited_files((store, "raw/a.csv")).to_pandas_dataframe().values.tolist() == [[1, 2]]
    with pytest.raises(UserErrorException, match="only read"):
        store.upload_files([str(tmp_path / "raw/a.csv")], target_path="new", overwrite=True, show_progress=False)
    with pytest.raises(UserErrorException, match="already"):
        Datastore.register_http(ws, "site", site.url)
    Datastore.register_http(ws, "site", f"{site.url}/other", overwrite=True)
    store.unregister()
    with pytest.raises(NotFoundException):
        Datastore.get(ws, "site")


def test_a_store_that_does_not_answer_is_not_registered(programs: Programs, site: FaultySite) -> None:
    ws = programs.workspace(Role.CONTRIBUTOR)
    with pytest.raises(UserErrorException, match="cannot be reached"):
        Datastore.register_azure_blob_container(
            ws, "blobs", "data", "acc", account_key=KEY, account_url="http://127.0.0.1:9/acc"
        )
    assert "blobs" not in ws.datastores


def test_azures_arguments_mean_what_they_mean_there(programs: Programs) -> None:
    ws = programs.workspace(Role.OWNER)
    blob = Datastore.register_azure_blob_container(ws, "blobs", "data", "acc", account_key=KEY, skip_validation=True)
    assert isinstance(blob, AzureBlobDatastore) and (blob.container_name, blob.account_name) == ("data", "acc")
    base = Datastore.register_azure_postgre_sql(ws, "pg", "shop", "db", "ana", "pass", skip_validation=True)
    assert isinstance(base, AzurePostgreSqlDatastore) and base.server_name == "shop.postgres.database.azure.com"
    own = Datastore.register_azure_my_sql(ws, "my", "db.example", "d", "ana", "pass", skip_validation=True)
    assert own.server_name == "db.example"
    lake = Datastore.register_azure_data_lake_gen2(ws, "lake", "fs", "acc", sas_token="?sig=x", skip_validation=True)
    assert lake.datastore_type == "AzureDataLakeGen2"
    of_app = Datastore.register_azure_data_lake_gen2(
        ws, "lake", "fs", "acc", "t", "c", "s", overwrite=True, skip_validation=True
    )
    assert of_app == lake and "authority" not in ws._client.get(ws._path("datastores/lake/"))["options"]
    there = "https://login.microsoftonline.us"
    Datastore.register_azure_blob_container(
        ws,
        "far",
        "data",
        "acc",
        tenant_id="t",
        client_id="c",
        client_secret="s",
        authority_url=there,
        skip_validation=True,
    )
    assert ws._client.get(ws._path("datastores/far/"))["options"]["authority"] == there
    ws.set_default_datastore("blobs")
    assert ws.get_default_datastore() == blob and isinstance(Datastore.get_default(ws), AzureBlobDatastore)
    with pytest.raises(UserErrorException, match="default"):
        blob.unregister()
    with pytest.raises(UserErrorException, match="only read"):
        ws.set_default_datastore("pg")


def test_what_cannot_be_registered_says_what_to_do(programs: Programs) -> None:
    ws = programs.workspace(Role.CONTRIBUTOR)
    with pytest.raises(UserErrorException, match="Gen2"):
        Datastore.register_azure_data_lake(ws, "old", "store", tenant_id="t", client_id="c", client_secret="s")
    with pytest.raises(UserErrorException, match="together"):
        Datastore.register_azure_data_lake_gen2(ws, "lake", "fs", "acc", "tenant", "client")
    with pytest.raises(UserErrorException, match="username and password"):
        Datastore.register_azure_sql_database(ws, "sql", "s", "d", "tenant", "client", "secret")
    with pytest.raises(UserErrorException, match="DUTO_DATABASE_FOLDERS"):
        Datastore.register_sqlite(ws, "base", "/nowhere/base.db")
    with pytest.raises(UserErrorException, match="needs one of these credentials"):
        Datastore.register_azure_blob_container(ws, "blobs", "data", "acc")
    with pytest.raises(UserErrorException, match="lower-case"):
        Datastore.register_azure_blob_container(ws, "Blobs!", "data", "acc", account_key=KEY)
    with pytest.raises(UserErrorException, match="clusters alone"):
        Datastore.register_dbfs(ws, "dbfs")
    with pytest.raises(UserErrorException, match="S3 gateway"):
        Datastore.register_hdfs(ws, "hdfs", "http", "name:50070", "", "REALM", "kdc", "ana")
    with pytest.raises(AttributeError, match=r"register_http\(ws, name, 'https://huggingface"):
        Datastore.register_hugging_face(ws, "hub")
    with pytest.raises(AttributeError, match="There are register_azure_blob_container, "):
        Datastore.register_floppy(ws, "a")
    assert not hasattr(Datastore, "nothing")
    for place, advice in (
        ("hf://datasets/a/b", "register_http"),
        ("dbfs:/mnt/a", "clusters"),
        ("wasbs://c@a/x", "blob"),
        ("C:/a", "uploaded"),
    ):
        with pytest.raises(UserErrorException, match=advice):
            Dataset.File.from_files(place)
    with pytest.raises(ForbiddenException):
        Datastore.register_http(programs.workspace(Role.READER), "site", "http://example.com")


def test_a_query_is_a_source_of_a_table(programs: Programs) -> None:
    ws = programs.workspace(Role.CONTRIBUTOR)
    store = Datastore.register_azure_postgre_sql(ws, "pg", "h.example", "db", "ana", "pass", skip_validation=True)
    made = Dataset.Tabular.from_sql_query((store, "select 1"), query_timeout=60)
    assert made._definition["sources"] == [{"datastore": "pg", "query": "select 1", "seconds": 60}]
    table = SqlDataReference(store, sql_table="sales")
    assert Dataset.Tabular.from_sql_query(table)._definition["sources"][0]["query"] == "SELECT * FROM sales"
    with pytest.raises(UserErrorException, match="empty"):
        Dataset.Tabular.from_sql_query((store, " "))
    with pytest.raises(ValueError, match="no procedures"):
        SqlDataReference(store, sql_stored_procedure="p").query()


def test_files_that_a_column_names_are_copied(programs: Programs, tmp_path: Path) -> None:
    ws = programs.workspace(Role.CONTRIBUTOR)
    store = ws.get_default_datastore()
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text(name)
    store.upload_files([str(tmp_path / "a.png"), str(tmp_path / "b.png")], target_path="pics", show_progress=False)
    labels = "image,label\nAmlDatastore://workspaceblobstore/pics/a.png,cat\nAmlDatastore://workspaceblobstore/pics/b.png,dog\n"
    (tmp_path / "labels.csv").write_text(labels + "AmlDatastore://workspaceblobstore/pics/none.png,\n")
    store.upload_files([str(tmp_path / "labels.csv")], show_progress=False)
    made = Dataset.Tabular.from_delimited_files((store, "labels.csv"))
    copied = made.download("image", str(tmp_path / "copies"))
    assert [Path(each).read_text() for each in copied] == ["a.png", "b.png"]
    with pytest.raises(UserErrorException, match="overwrite=True"):
        made.download("image", str(tmp_path / "copies"))
    with pytest.raises(UserErrorException, match="none"):
        made.download("image", str(tmp_path / "again"), ignore_not_found=False)
    with pytest.raises(UserErrorException, match="names no file"):
        made.download("label", str(tmp_path / "x"))
    with pytest.raises(UserErrorException, match="no column 'nothing'"):
        made.download("nothing")
    with made.mount("image") as context:
        assert (Path(context.mount_point) / "workspaceblobstore/pics/b.png").read_text() == "b.png"
