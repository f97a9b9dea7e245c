"""Kinds of datastores: one module a kind, and the registry of them all.

Everything that reads or writes a datastore asks `datasets.stores` for its root, and that asks the registry.
"""

from __future__ import annotations

from datasets.kinds import (
    azure_blob,
    azure_files,
    database_file,
    gcs,
    http,
    local,
    mysql,
    postgresql,
    s3,
    sftp,
    sqlserver,
)
from datasets.kinds.base import Kind

KINDS: dict[str, Kind] = {
    each.name: each
    for each in (
        local.KIND,
        azure_blob.KIND,
        azure_blob.GEN2,
        azure_files.KIND,
        s3.KIND,
        gcs.KIND,
        sftp.KIND,
        http.KIND,
        postgresql.KIND,
        mysql.KIND,
        sqlserver.KIND,
        database_file.SQLITE,
        database_file.DUCKDB,
    )
}
