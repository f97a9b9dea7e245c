"""The tab Code: the snapshot's files, one of them opened, or the difference to another run of the step."""

from __future__ import annotations

from dataclasses import dataclass

from core.ids import as_uuid
from core.storage import artifact_store, blob_key
from runs.models import Snapshot, StepRun
from runs.queries import code as reading
from runs.web.panel_files import Entry
from runs.web.panel_request import PanelRequest
from runs.web.preview import Opened, opened

OTHERS = 20
MOST_FILES = 2000


@dataclass(frozen=True)
class Changed:
    """A file that differs, line by line where it is text."""

    path: str
    change: str
    is_binary: bool
    lines: list[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """What runs/panel/code.html may show."""

    snapshot: Snapshot | None
    script: str
    folder: str
    entries: list[Entry]
    opened: Opened | None
    others: list[StepRun]
    against: StepRun | None
    changes: list[Changed]
    git: dict[str, str]


def code(ask: PanelRequest) -> Code:
    """The files, and what of them the address asks for."""
    snapshot = reading.snapshot_of(ask.run)
    script = ask.spec.get("script", "")
    others = _others(ask.run.step) if hasattr(ask.run, "step") else []
    against = next((each for each in others if each.run_id == as_uuid(ask.query.get("against"))), None)
    wanted = ask.query.get("file", "") or script
    folder = wanted.rpartition("/")[0]
    return Code(
        snapshot=snapshot,
        script=script,
        folder=folder,
        entries=_entries(snapshot),
        opened=_open(snapshot, wanted, ask.query.get("line", "")) if snapshot and against is None else None,
        others=others,
        against=against,
        changes=_changes(ask, against, snapshot),
        git={
            key.removeprefix("azureml.git."): value for key, value in ask.tree.root.properties.items() if "git" in key
        },
    )


def _entries(snapshot: Snapshot | None) -> list[Entry]:
    return [Entry(each["path"], each["path"], each["size"]) for each in snapshot.files[:MOST_FILES]] if snapshot else []


def _others(step: StepRun) -> list[StepRun]:
    """Earlier and later runs of the step of this name with other code, newest first."""
    rows = StepRun.objects.filter(workspace_id=step.workspace_id, name=step.name).exclude(
        snapshot_digest__in=["", step.snapshot_digest]
    )
    return list(
        rows.select_related("run__root")
        .only("snapshot_digest", "name", "run__id", "run__root__number", "run__created_at")
        .order_by("-run_id")[:OTHERS]
    )


def _open(snapshot: Snapshot, path: str, line: str) -> Opened | None:
    entry = next((each for each in snapshot.files if each["path"] == path), None)
    if entry is None:
        return None
    marked = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return opened(artifact_store(snapshot.workspace_id), blob_key(entry["digest"]), path, marked)


def _changes(ask: PanelRequest, against: StepRun | None, snapshot: Snapshot | None) -> list[Changed]:
    if against is None or snapshot is None:
        return []
    old = Snapshot.objects.filter(workspace=ask.context.workspace, digest=against.snapshot_digest).first()
    return [
        Changed(each["path"], each["change"], bool(each.get("binary")), difference(each.get("diff") or ""))
        for each in reading.difference(old, snapshot)
    ]


KINDS = {"+": "add", "-": "del", "@": "hunk"}


def difference(text: str) -> list[tuple[str, str]]:
    """Lines of a unified difference with the class of their row; the two heads are left out."""
    lines = [line for line in text.split("\n") if not line.startswith(("--- ", "+++ "))]
    return [(KINDS.get(line[:1], ""), line) for line in lines if line]
