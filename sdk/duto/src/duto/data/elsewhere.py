"""Places that programs name and that are no datastore here: what to use instead of each."""

from __future__ import annotations

from typing import Dict

_HUB = (
    "Datastore.register_http(ws, name, 'https://huggingface.co/datasets/OWNER/NAME/resolve/main', token='...') reads the "
    "files of Hugging Face, each by its path"
)
_BLOB = "Datastore.register_azure_blob_container registers its container"
_LAKE = "Datastore.register_azure_data_lake_gen2 registers its file system"
_BUCKET = "Datastore.register_s3 registers its bucket"
_DBFS = (
    "Databricks' file system is reached from its clusters alone; register the storage that is mounted there, with "
    "Datastore.register_azure_blob_container or register_s3"
)
_HDFS = "HDFS is not attached; serve its files by an S3 gateway and register that with Datastore.register_s3"
_INSTEAD: Dict[str, str] = {
    "hf": _HUB, "hugging": _HUB, "huggingface": _HUB, "dbfs": _DBFS, "hdfs": _HDFS, "wasb": _BLOB, "wasbs": _BLOB, "abfs": _LAKE,
    "abfss": _LAKE, "adl": _LAKE, "onelake": _LAKE, "s3": _BUCKET, "s3a": _BUCKET, "s3n": _BUCKET, "gs": "Datastore.register_gcs registers its bucket",
    "sftp": "Datastore.register_sftp registers its folder", "ssh": "Datastore.register_sftp registers its folder",
    "dav": "Datastore.register_http lists and reads a WebDAV server",
    "webdav": "Datastore.register_http lists and reads a WebDAV server",
    "azureml": "give (datastore, 'path')", "file": "upload the file first, with `datastore.upload_files`",
}  # fmt: skip


def instead_of(place: str) -> str:
    """What to do instead of naming this place, as a sentence; empty where that is not known.

    Args:
        place: a path with a scheme before it (`hf://datasets/...`, `dbfs:/...`), or the rest of `register_...`.
    """
    word = place.partition(":")[0].partition("_")[0].lower()
    return f"{_INSTEAD[word]}." if word in _INSTEAD else ""
