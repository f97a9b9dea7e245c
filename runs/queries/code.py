"""Code of runs to look at: one file, an archive of all, the difference of two snapshots."""

from __future__ import annotations

import difflib
import io
import zipfile
from collections import Counter
from collections.abc import Generator
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from core.errors import NotFound
from core.storage import CHUNK, artifact_store, blob_key
from duto.spec import status
from runs.models import Run, Snapshot, StepRun
from workspaces.models import Workspace

# Beyond these a difference is told, but not drawn.
TEXT_MAX = 512 * 1024
DRAWN_MAX = 200
LINE_MAX = 300
# Comparing may cost as much as each line of the one file against each of the other, where both differ.
COMPARED_MAX = 25_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)


def file_of(snapshot: Snapshot, path: str) -> dict[str, Any]:
    """The entry of a file. Raises NotFound: a path that is in no manifest opens nothing."""
    for each in snapshot.files:
        if each["path"] == path:
            return dict(each)
    raise NotFound(_("The snapshot has no file %(path)r.") % {"path": path})


def open_file(snapshot: Snapshot, path: str) -> tuple[BinaryIO, int]:
    """(reader, size) of one file. Raises NotFound."""
    entry = file_of(snapshot, path)
    return artifact_store(snapshot.workspace_id).open(blob_key(entry["digest"])), int(entry["size"])


def line_of(snapshot: Snapshot, path: str, number: int) -> str:
    """One line of a text file without its indent, of a long one the beginning; empty where there is none."""
    entry = next((each for each in snapshot.files if each["path"] == path), None)
    if entry is None or entry["size"] > TEXT_MAX or number < 1:
        return ""
    lines = (_text(snapshot, entry) or "").splitlines()[number - 1 : number]
    return lines[0].strip()[:LINE_MAX] if lines else ""


def snapshot_of(run: Run) -> Snapshot | None:
    """The code of a step, or what a program kept with a run of its own by `take_snapshot()`."""
    digest = run.step.snapshot_digest if hasattr(run, "step") else str(run.properties.get(status.SNAPSHOT_ID) or "")
    return Snapshot.objects.filter(workspace=run.workspace_id, digest=digest).first() if digest else None


def archive(snapshot: Snapshot) -> Generator[bytes, None, None]:
    """A zip of the snapshot, made while it is sent. Equal snapshots give equal bytes."""
    store, tap = artifact_store(snapshot.workspace_id), _Tap()
    with zipfile.ZipFile(tap, "w", zipfile.ZIP_DEFLATED) as bundle:
        for entry in snapshot.files:
            info = zipfile.ZipInfo(entry["path"], EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if entry.get("executable") else 0o100644) << 16
            with store.open(blob_key(entry["digest"])) as source, bundle.open(info, "w") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                    yield tap.take()
    yield tap.take()


class _Tap(io.RawIOBase):
    """A file that only grows, drained as it grows."""

    def __init__(self) -> None:
        super().__init__()
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.held += data
        return len(data)

    def take(self) -> bytes:
        taken, self.held = bytes(self.held), bytearray()
        return taken


def difference(old: Snapshot | None, new: Snapshot | None) -> list[dict[str, Any]]:
    """Files that were added, removed or changed, with a unified diff where they are text."""
    left = {each["path"]: each for each in old.files} if old else {}
    right = {each["path"]: each for each in new.files} if new else {}
    documents: list[dict[str, Any]] = []
    for path in sorted(left.keys() | right.keys()):
        before, after = left.get(path), right.get(path)
        if before and after and before["digest"] == after["digest"]:
            continue
        change = "changed" if before and after else "added" if after else "removed"
        entry: dict[str, Any] = {"path": path, "change": change}
        entry["old_size"] = before["size"] if before else None
        entry["new_size"] = after["size"] if after else None
        entry.update(
            _drawn(old, before, new, after, path) if len(documents) < DRAWN_MAX else {"diff": None, "binary": False}
        )
        documents.append(entry)
    return documents


def _drawn(old: Snapshot | None, before: Any, new: Snapshot | None, after: Any, path: str) -> dict[str, Any]:
    if any(each and each["size"] > TEXT_MAX for each in (before, after)):
        return {"diff": None, "binary": False}
    texts = [_text(old, before), _text(new, after)]
    if texts[0] is None or texts[1] is None:
        return {"diff": None, "binary": True}
    old_lines, new_lines = (text.splitlines(keepends=True) for text in texts if text is not None)
    if _comparisons(old_lines, new_lines) > COMPARED_MAX:
        return {"diff": None, "binary": False}
    lines = difflib.unified_diff(old_lines, new_lines, f"a/{path}", f"b/{path}")
    return {
        "diff": "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines),
        "binary": False,
    }


def _comparisons(old: list[str], new: list[str]) -> int:
    """How many pairs of lines the difference may look at: those between what is equal at both ends, or equal pairs."""
    shortest = min(len(old), len(new))
    head = next((place for place in range(shortest) if old[place] != new[place]), shortest)
    tail = next((place for place in range(shortest - head) if old[-1 - place] != new[-1 - place]), shortest - head)
    repeated = Counter(new)
    return max((len(old) - head - tail) * (len(new) - head - tail), sum(repeated[line] for line in old))


def _text(snapshot: Snapshot | None, entry: Any) -> str | None:
    """The file as text, empty where there is none, None when it is no text."""
    if snapshot is None or not entry:
        return ""
    data = artifact_store(snapshot.workspace_id).read(blob_key(entry["digest"]))
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def differences(old: Run, new: Run) -> list[dict[str, Any]]:
    """Steps of two runs by name, each with the difference of its code. Equal code is left out."""
    left, right = _digests(old), _digests(new)
    if len(left) == len(right) == 1:
        # Two single steps are compared whatever they are called.
        left = dict(zip(right, left.values(), strict=True))
    wanted = {*left.values(), *right.values()}
    found = {row.digest: row for row in Snapshot.objects.filter(workspace=new.workspace_id, digest__in=wanted)}
    drawn: dict[tuple[str | None, str | None], list[dict[str, Any]]] = {}
    documents = []
    for name in dict.fromkeys([*right, *left]):
        pair = (left.get(name), right.get(name))
        if pair[0] == pair[1]:
            continue
        if pair not in drawn:
            drawn[pair] = difference(found.get(pair[0] or ""), found.get(pair[1] or ""))
        documents.append({"step": name, "old": pair[0], "new": pair[1], "files": drawn[pair]})
    return documents


def _digests(run: Run) -> dict[str, str]:
    """Snapshot digests of the steps of a run, by the steps' names."""
    rows = StepRun.objects.filter(run__root=run.root_id).order_by("run")
    rows = rows if run.is_root else rows.filter(run=run.pk)
    return dict(rows.exclude(snapshot_digest="").values_list("name", "snapshot_digest"))


def paths_of(workspace: Workspace, digest: str) -> frozenset[str] | None:
    """Answers `pipelines.hooks.snapshot_files`: the paths of a snapshot's files; None where there is no such snapshot."""
    found = Snapshot.objects.filter(workspace=workspace, digest=digest).first()
    return None if found is None else frozenset(each["path"] for each in found.files)
