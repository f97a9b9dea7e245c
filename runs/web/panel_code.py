"""The tab Code: the snapshot's files, one of them opened, or the difference to another run of the step."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

from core.ids import as_uuid
from core.storage import artifact_store, blob_key
from runs.models import Snapshot, StepRun
from runs.queries import code as reading
from runs.web.panel_files import Entry, spec_of

if TYPE_CHECKING:
    from runs.web.panel import Ask

LARGEST = 512 * 1024
OTHERS = 20
MOST_FILES = 2000
# Highlighting is by backtracking patterns over what users wrote: only for what a pipeline is written in, and for lines
# that somebody wrote.
LONGEST_LINE = 2000
COLOURED = (
    ".py", ".pyi", ".json", ".yml", ".yaml", ".toml", ".ini", ".cfg", ".sh", ".bash", ".sql", ".r", ".js", ".css", ".html",
    ".xml", ".md", ".csv", "dockerfile", "makefile",
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A file of the snapshot as it is shown."""

    path: str
    size: int
    html: SafeString | None


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


def code(ask: Ask) -> Code:
    """The files, and what of them the address asks for."""
    step = ask.step.run.step
    snapshot = (
        Snapshot.objects.filter(workspace=ask.room.workspace, digest=step.snapshot_digest).first()
        if step.snapshot_digest
        else None
    )
    script = spec_of(ask).get("script", "")
    others = _others(step)
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
    if entry["size"] > LARGEST:
        return Opened(path, entry["size"], None)
    data = artifact_store(snapshot.workspace_id).read(blob_key(entry["digest"]))
    if b"\0" in data:
        return Opened(path, entry["size"], None)
    marked = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return Opened(path, entry["size"], drawn(path, data.decode("utf-8", "replace"), marked))


def drawn(path: str, text: str, line: int = 0) -> SafeString:
    """The text in the highlighter's short classes, each line with an anchor. Pygments escapes what it gets."""
    lexer: Any = TextLexer(stripnl=False)
    if path.lower().endswith(COLOURED) and max(map(len, text.splitlines()), default=0) <= LONGEST_LINE:
        with contextlib.suppress(ClassNotFound):
            lexer = get_lexer_for_filename(path, stripnl=False)
    form = HtmlFormatter(
        linenos="inline",
        lineanchors="L",
        anchorlinenos=True,
        cssclass="highlight",
        hl_lines=[line] if line else [],
        wrapcode=False,
    )
    html: str = highlight(text, lexer, form)
    return SafeString(html)


def _changes(ask: Ask, against: StepRun | None, snapshot: Snapshot | None) -> list[Changed]:
    if against is None or snapshot is None:
        return []
    old = Snapshot.objects.filter(workspace=ask.room.workspace, digest=against.snapshot_digest).first()
    return [
        Changed(each["path"], each["change"], bool(each.get("binary")), difference(each.get("diff") or ""))
        for each in reading.difference(old, snapshot)
    ]


KINDS = {"+": "add", "-": "del", "@": "hunk"}


def difference(text: str) -> list[tuple[str, str]]:
    """Lines of a unified difference with the class of their row; the two heads are left out."""
    lines = [line for line in text.split("\n") if not line.startswith(("--- ", "+++ "))]
    return [(KINDS.get(line[:1], ""), line) for line in lines if line]
