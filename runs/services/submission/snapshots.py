"""Code that runs execute: blobs that travel once, and manifests that name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from core.errors import Invalid, NotFound, TooLarge, Unprocessable
from core.spec import refusing
from core.storage import artifact_store, blob_key
from core.words import size_text
from duto.spec import snapshot as rules
from duto.spec.filenames import unescaped_path
from duto.spec.units import counted
from runs.models import Snapshot
from workspaces.models import Workspace
from workspaces.services import storage

DIGEST = re.compile(r"^[0-9a-f]{64}$")
ASKED_MAX = 50_000


def limits() -> rules.Limits:
    """What one snapshot may hold in this studio."""
    return rules.Limits(settings.DUTO.snapshot_max_bytes, settings.DUTO.snapshot_max_files)


def missing(workspace: Workspace, digests: Sequence[Any]) -> list[str]:
    """Which of these blobs the studio does not have yet."""
    if len(digests) > ASKED_MAX:
        raise TooLarge(f"Ask for at most {ASKED_MAX} digests at a time.")
    store = artifact_store(workspace.pk)
    wanted = dict.fromkeys(checked(digest) for digest in digests)
    are_there = store.each(store.touch, map(blob_key, wanted))
    return [digest for digest, is_there in zip(wanted, are_there, strict=True) if not is_there]


def checked(digest: Any) -> str:
    """The digest, when it is one. Raises Invalid."""
    if not isinstance(digest, str) or not DIGEST.match(digest):
        raise Invalid(f"{digest!r:.80} is no sha256 in lower-case hex.")
    return digest


def put_blob(workspace: Workspace, digest: str, source: BinaryIO) -> int:
    """Keep the bytes of this digest. Raises Invalid (`digest_mismatch`) for others, TooLarge above the limit."""
    key, store = blob_key(checked(digest)), artifact_store(workspace.pk)
    if store.touch(key):
        return store.size(key)
    metered = storage.metered(workspace, source)
    size = store.write(key, _Limited(metered, limits().size), digest=digest).size  # type: ignore[arg-type]
    storage.note(workspace, size)
    return size


class _Limited:
    """A reader that refuses to give more than its limit: a length may be absent, or a lie."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self.source, self.left, self.limit = source, limit, limit

    def read(self, count: int) -> bytes:
        data = self.source.read(count)
        self.left -= len(data)
        if self.left < 0:
            raise TooLarge(f"One file of a snapshot may have {size_text(self.limit)}.", code="snapshot_too_large")
        return data


def create(workspace: Workspace, document: Any) -> Snapshot:
    """Name the files of a manifest as a snapshot, once for each digest.

    Raises Unprocessable: `bad_manifest`, `snapshot_too_large` naming the biggest files, `missing_blobs`.
    """
    with refusing():
        manifest = rules.Manifest.from_document(document)
        rules.check_limits([(each.path, each.size) for each in manifest.files], limits())
    found = Snapshot.objects.filter(workspace=workspace, digest=manifest.digest).first()
    if found is not None:
        return found
    _check_blobs(workspace, manifest)
    values = {
        "files": manifest.to_document()["files"],
        "file_count": len(manifest.files),
        "size": manifest.size,
    }
    return Snapshot.objects.get_or_create(workspace=workspace, digest=manifest.digest, defaults=values)[0]


def _check_blobs(workspace: Workspace, manifest: rules.Manifest) -> None:
    absent = missing(workspace, [each.digest for each in manifest.files])
    if absent:
        text = f"Of the snapshot {counted(len(absent), 'file')} must still be uploaded."
        raise Unprocessable(text, code="missing_blobs", missing=absent)
    store = artifact_store(workspace.pk)
    sizes = store.each(store.size, [blob_key(each.digest) for each in manifest.files])
    for each, size in zip(manifest.files, sizes, strict=True):
        if size != each.size:
            raise Unprocessable(
                f"The size of {each.path!r} in the manifest is not that of its blob.", code="bad_manifest"
            )


def take(workspace: Workspace, folder: Path) -> Snapshot:
    """Snapshot a folder of this machine: for what the studio itself submits."""
    with refusing():
        manifest = rules.take(folder, limits())
    store = artifact_store(workspace.pk)
    for each in manifest.files:
        if not store.touch(blob_key(each.digest)):
            with (folder / unescaped_path(each.path)).open("rb") as source:
                store.write(blob_key(each.digest), source, digest=each.digest)
    return create(workspace, manifest.to_document())


def require(workspace: Workspace, digest: str) -> Snapshot:
    """The snapshot. Raises NotFound."""
    found = Snapshot.objects.filter(workspace=workspace, digest=digest).first()
    if found is None:
        raise NotFound(f"There is no snapshot {digest[:12]} in workspace '{workspace.name}'.", digest=digest)
    return found
