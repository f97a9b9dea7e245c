"""What the studio finds behind a definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import fetch, preview
from datasets.models import Dataset
from datasets.services import files
from datasets.services.datastores import datastore
from workspaces.models import Workspace


def look(workspace: Workspace, kind: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, sizes, and the columns of a table. Asks no web address: their copies are there."""
    found = files.find(workspace, definition["sources"])
    facts: dict[str, Any] = {
        "file_count": len(found),
        "size": sum(each.size for each in found),
        "content_fingerprint": files.fingerprint(found),
    }
    if kind == Dataset.Kind.TABULAR:
        table = preview.read(workspace, found, definition, limit=1, checked=preview.THOROUGH)
        facts["profile"] = {"columns": [{"name": name, "type": type_} for name, type_ in table.columns]}
    return facts


def check(workspace: Workspace, definition: Mapping[str, Any]) -> None:
    """What can be refused before anything is fetched: an unknown datastore, an address that is private as it stands."""
    for source in definition["sources"]:
        if source.get("url"):
            fetch.check(source["url"])
        else:
            datastore(workspace, source["datastore"])


def urls_of(definition: Mapping[str, Any]) -> list[str]:
    return [source["url"] for source in definition["sources"] if source.get("url")]
