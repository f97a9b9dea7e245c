"""The files that an attempt left: staged here where its host does not share the studio's disk, until its finish is accepted,
and read without being led astray by links."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

from core.errors import Invalid, NotFound, StudioError
from core.objects import ObjectRoot, version_of
from core.storage import Root, artifact_store, blob_key, data_dir, is_own_far, own_folder, safe
from datasets import stores
from duto.spec import trees
from duto.spec.filenames import spelled
from duto_protocol.messages import Finished
from runs.models import Attempt

log = logging.getLogger(__name__)
# How long an address of a datastore's own may be used, in seconds: to begin with a file, and to go on where it broke off.
PRESIGNED_S = 900


class Changed(StudioError):
    """What lies there is not what was listed."""

    status = 412
    default_code = "store_changed"


def staging(attempt: Attempt) -> Root:
    """The folder with the same layout as the attempt's directory at its agent: `outputs/<name>`, `work/...`."""
    return own_folder(f"staging/{attempt.pk}-{attempt.epoch}")


def put(attempt: Attempt, kind: str, rest: str, source: BinaryIO, digest: str | None) -> int:
    """Keep one file. Raises NotFound for another kind of transfer, Invalid for a path that leaves its folder."""
    path = safe(rest)
    if not path:
        raise Invalid("Name the file: the address ends with its path.")
    if kind == "output":
        key = f"outputs/{path}"
    elif kind == "artifact":
        key = f"work/{path}"
    else:
        raise NotFound(f"There is no transfer '{kind}' to write to.")
    return staging(attempt).write(key, source, digest=digest).size


def get(attempt: Attempt, kind: str, rest: str, tag: str = "") -> tuple[BinaryIO, int, str]:
    """(reader, size, name) of a file that the attempt may read, of the content that `tag` names.

    Raises NotFound, StoreError, Changed.
    """
    root, key = _place(attempt, kind, rest)
    if isinstance(root, ObjectRoot):  # each question goes over a network
        found = root.stored(key)
        if tag and version_of(found.size, found.modified, found.tag) != tag:
            raise Changed(f"The file '{kind}/{rest}' is another one by now.")
        return root.open_stored(found), found.size, key.rsplit("/", 1)[-1]
    if not key or not root.is_file(key):
        raise NotFound(f"There is no file '{kind}/{rest}'.")
    return root.open(key), root.size(key), key.rsplit("/", 1)[-1]


def presigned(attempt: Attempt, kind: str, rest: str) -> str:
    """An address of the store's own at which the agent reads this file; empty where it comes through the studio."""
    name, _, path = rest.partition("/")
    if kind == "blob" and is_own_far():
        root, key = _place(attempt, kind, rest)
        return stores.presigned_in(root, key, PRESIGNED_S) if isinstance(root, ObjectRoot) else ""
    return stores.presigned(attempt.run.workspace, name, path, PRESIGNED_S) if kind == "data" and path else ""


def _place(attempt: Attempt, kind: str, rest: str) -> tuple[Root, str]:
    workspace = attempt.run.workspace
    if kind == "blob" and rest.isalnum():
        return artifact_store(workspace.pk), blob_key(rest)
    name, _, path = rest.partition("/")
    if kind == "data":
        return stores.root_by_name(workspace, name), safe(path)
    raise NotFound(f"There is no transfer '{kind}' to read from.")


def clear(attempt: Attempt) -> None:
    """Forget what was staged: it is promoted, or nobody wants it."""
    try:
        staging(attempt).remove("")
    except (OSError, StudioError) as error:  # it takes room and does no harm: the sweep comes by again
        log.warning("what was staged for attempt %s is still there: %s", attempt.pk, error)


def left_at(attempt: Attempt, report: Finished) -> Root:
    """The attempt's directory, with files by the names that its report gave: the agent's, when it shares the studio's disk, else the staging folder.

    Raises Invalid when the report names a folder that is not this attempt's.
    """
    named = report.left_at
    if not named:
        return staging(attempt)
    home = data_dir().resolve()
    path = (home / safe(named)).resolve()
    if not path.is_relative_to(home) or not path.name.startswith(str(attempt.pk)):
        raise Invalid("The report names a folder that is not this attempt's.", code="unsafe_path")
    return Root(str(path))


def cut_links(left: Root, name: str) -> list[str]:
    """Remove symbolic links that lead out of what an attempt left; their names. What is served must lie where it seems to."""
    path = left.place(name)
    if path is None:  # as it was sent: no store knows links
        return []
    if path.is_symlink():
        path.unlink()
        return [path.name]
    cut: list[str] = []
    home = path.resolve()
    for folder, entries in trees.walk(path):
        for each in entries:
            if each.is_symlink() and not Path(each.path).resolve().is_relative_to(home):
                Path(each.path).unlink()
                cut.append(spelled(f"{folder}/{each.name}".lstrip("/")))
    return cut
