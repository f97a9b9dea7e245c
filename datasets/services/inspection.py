"""What the studio finds behind a definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import Unprocessable
from core.sentences import keep
from datasets import child, fetch, tables
from datasets.models import Dataset, DatasetVersion
from datasets.services import files
from datasets.services.datastores import datastore
from datasets.stored_messages import refusal, say
from datasets.stores import database_of
from duto.tables.partitions import mismatch
from workspaces.models import Workspace

# Of duto.tables: a survey by other rules is not used.
RULES = 1
# Tables of more bytes are looked through by a worker.
AT_ONCE = 32 << 20


def look(
    workspace: Workspace,
    kind: str,
    definition: Mapping[str, Any],
    found: Sequence[files.ResolvedFile] | None = None,
    *,
    seconds: int = tables.WAITED_FOR,
    alive: child.Alive | None = None,
) -> dict[str, Any]:
    """Counts, sizes, and the columns of a table. Asks no web address: their copies are there."""
    found = files.find(workspace, definition["sources"]) if found is None else found
    facts: dict[str, Any] = {
        "file_count": len(found),
        "size": sum(each.size for each in found),
        "content_fingerprint": files.fingerprint(found),
    }
    odd = mismatch(definition["format"].get("partition_format", ""), [each.path for each in found])
    if odd and kind == Dataset.Kind.FILE:
        raise refusal(Unprocessable, say("not_as_said", problem=keep(odd)), code="no_partition")
    if kind == Dataset.Kind.TABULAR:
        answers = tables.look(tables.Question(workspace, found, definition, seconds=seconds, alive=alive))
        columns = [{"name": name, "type": type_} for name, type_ in answers["columns"]]
        facts["profile"] = {"columns": columns, "survey": answers["survey"], "rules": RULES}
    return facts


def is_long(kind: str, definition: Mapping[str, Any], found: Sequence[files.ResolvedFile]) -> bool:
    """Whether looking takes longer than a caller should wait. Of Parquet files only the ends are looked at."""
    is_text = definition["format"].get("type", "delimited") != "parquet"
    return kind == Dataset.Kind.TABULAR and is_text and sum(each.size for each in found) > AT_ONCE


def question(version: DatasetVersion, found: Sequence[files.ResolvedFile], seconds: int) -> tables.Question:
    """What is asked about a version's rows. While its files are those that were looked at, their types are known."""
    profile = version.profile or {}
    is_known = profile.get("rules") == RULES and version.content_fingerprint == files.fingerprint(found)
    survey = profile.get("survey") if is_known else None
    return tables.Question(version.workspace, found, version.definition, survey, seconds)


def check(workspace: Workspace, definition: Mapping[str, Any]) -> None:
    """What can be refused before anything is fetched: an unknown datastore, an address that is private as it stands."""
    for source in definition["sources"]:
        if source.get("url"):
            fetch.check(source["url"])
        elif source.get("query"):
            database_of(datastore(workspace, source["datastore"]))
        else:
            datastore(workspace, source["datastore"])


def fetched_of(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources of which the studio keeps what it was given: web addresses and queries."""
    return [source for source in definition["sources"] if source.get("url") or source.get("query")]
