"""Snapshots of folders: taken with a cache of digests, and sent where the studio lacks files of them."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping

from duto.exceptions import SnapshotException
from duto.spec import canonical, snapshot
from duto.spec.errors import SpecError
from duto.spec.filenames import unescaped_path

_AT_ONCE = 8
_ASKED_AT_ONCE = 1000


def take(root: Path) -> snapshot.Manifest:
    """The manifest of a folder; digests of unchanged files come from a cache in the user's cache folder.

    The limits are Azure ML's, unless DUTO_SNAPSHOT_MAX_BYTES or DUTO_SNAPSHOT_MAX_FILES set others, or a program sets
    `azureml._restclient.snapshots_client.SNAPSHOT_MAX_SIZE_BYTES`. The studio has limits of its own.
    """
    chosen = getattr(sys.modules.get("azureml._restclient.snapshots_client"), "SNAPSHOT_MAX_SIZE_BYTES", None)
    limits = snapshot.Limits(
        int(os.environ.get("DUTO_SNAPSHOT_MAX_BYTES") or chosen or snapshot.Limits.size),
        int(os.environ.get("DUTO_SNAPSHOT_MAX_FILES") or snapshot.Limits.files),
    )
    if os.environ.get("AML_SNAPSHOT_NO_FILE_LIMIT"):
        limits = replace(limits, files=10**9)
    place = _cache_file(root)
    cache = _read_cache(place)
    before = dict(cache)
    try:
        manifest = snapshot.take(root, limits, cache)
    except SpecError as error:
        raise SnapshotException(str(error), inner_exception=error) from error
    if cache != before:
        _write_cache(place, dict(cache))
    return manifest


def upload(workspace: Any, root: Path, manifest: snapshot.Manifest) -> None:
    """Send the files that the studio lacks, then the manifest."""
    client = workspace._client
    wanted: Dict[str, str] = {each.digest: each.path for each in manifest.files}
    digests = list(wanted)
    missing: List[str] = []
    for start in range(0, len(digests), _ASKED_AT_ONCE):
        body = {"digests": digests[start : start + _ASKED_AT_ONCE]}
        missing += client.post(workspace._path("blobs/missing/"), body)["missing"]

    def send(digest: str) -> None:
        client.upload(workspace._path(f"blobs/{digest}/"), root / unescaped_path(wanted[digest]))

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        list(pool.map(send, missing))
    client.post(workspace._path("snapshots/"), manifest.to_document())


def _cache_file(root: Path) -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "duto" / f"{canonical.digest(str(root))[:32]}.json"


def _read_cache(path: Path) -> Dict[str, List[Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _write_cache(path: Path, cache: Mapping[str, List[Any]]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(cache), encoding="utf-8")
        part.replace(path)
    except OSError:
        pass  # a read-only home costs time, not the submit
