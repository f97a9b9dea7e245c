"""Names of what inputs read, by which hosts tell what they hold of it: equal for equal sources, whatever these hold now. Pure."""

from __future__ import annotations

from typing import Any

from duto.spec import canonical
from duto_protocol.messages import SOURCE_LENGTH


def of_dataset(version: object) -> str:
    """Of a version of a dataset."""
    return _named("dataset", str(version))


def of_place(workspace: object, datastore: str, path: str) -> str:
    """Of a path on a datastore."""
    return _named("place", str(workspace), datastore, path.strip("/"))


def of_output(place: dict[str, Any]) -> str:
    """Of what a step wrote, by where it lies and its content, so that a reused one is the same."""
    return _named("output", str(place.get("datastore")), str(place.get("path")), str(place.get("digest")))


def of_read(place: dict[str, Any]) -> str:
    """Of what steps read as an output: the dataset that it links, or what was written."""
    return of_dataset(place["dataset"]) if "dataset" in place else of_output(place)


def _named(*parts: str) -> str:
    return canonical.digest(list(parts))[:SOURCE_LENGTH]
