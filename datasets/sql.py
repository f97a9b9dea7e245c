"""Answers of databases: a query is asked by a worker, and what it answers lies as Parquet among the copies of web addresses."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from django.conf import settings

from core.errors import Unprocessable
from datasets import fetch
from datasets.child import MOST_BYTES, turn
from datasets.fetch import Copy
from datasets.kinds.base import refused
from datasets.models import Datastore
from datasets.stored_messages import refusal, say
from datasets.stores import WEB, database_of, root_by_name
from duto.spec import units
from workspaces.models import Workspace
from workspaces.services import storage

FILE = "query.parquet"


def known_copy(workspace: Workspace, source: Mapping[str, Any]) -> Copy | None:
    """What the database answered when it was last asked; asks nobody."""
    return fetch.known_copy(workspace, _key(source))


def copy_of(datastore: Datastore, source: Mapping[str, Any], *, alive: Callable[[], None] = lambda: None) -> Copy:
    """Ask the query, and keep its answer. Raises StoreError, Unprocessable for more bytes than are fetched from the web."""
    import pyarrow.parquet as pq

    workspace, root = datastore.workspace, root_by_name(datastore.workspace, WEB)
    batches = database_of(datastore).query(source["query"], int(source["seconds"]))
    with tempfile.TemporaryFile() as buffer:
        first = next(batches)
        with pq.ParquetWriter(buffer, first.schema, compression="zstd") as writer:
            for batch in batches:
                alive()
                writer.write_batch(batch)
                if buffer.tell() > settings.DUTO.fetch_max_bytes:
                    said = say("query_too_large", store=datastore.name, most=settings.DUTO.fetch_max_bytes)
                    raise refusal(Unprocessable, said, code="not_fetched")
        size = buffer.tell()
        buffer.seek(0)
        digest = hashlib.file_digest(cast(Any, buffer), "sha256").hexdigest()
        buffer.seek(0)
        key = f"{digest[:2]}/{digest}"
        if not root.exists(key):
            storage.require(workspace, size)
            root.write(key, cast(BinaryIO, buffer), digest=digest)
            storage.note(workspace, size)
    copy = Copy(_key(source), FILE, key, size, digest)
    fetch.remember(root, copy)
    return copy


def first_rows(datastore: Datastore, query: str, seconds: int, count: int) -> BinaryIO:
    """The first rows of an answer, as Parquet, without the rest of it. Raises StoreError, also for rows of more than 64 MiB."""
    import pyarrow.parquet as pq

    batches = database_of(datastore).query(query, seconds)
    buffer = io.BytesIO()
    with turn("query"), contextlib.closing(cast(Any, batches)):
        first = next(batches)
        with pq.ParquetWriter(buffer, first.schema) as writer:
            left, room = count, MOST_BYTES
            for batch in itertools.chain([first], batches):
                part = batch.slice(0, left)
                room -= part.nbytes
                if room < 0:
                    size = units.size_text(MOST_BYTES)
                    raise refused(datastore.name, "answer", "store_large_query", size=size)
                writer.write_batch(part)
                left -= min(left, batch.num_rows)
                if not left:
                    break
    buffer.seek(0)
    return buffer


def _key(source: Mapping[str, Any]) -> str:
    """Stands for the query where the address of a copy does."""
    return f"query:{source['datastore']}:{hashlib.sha256(source['query'].encode()).hexdigest()}"
