"""The one way to change a run's tree: lock its root, change rows, and record all changes of the transaction as one event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.dispatch import receiver
from django.utils.translation import gettext as _

from core import outbox, slices
from core.clock import iso
from core.errors import NotFound
from core.hooks import Hook
from core.lifecycle import transitioned
from core.prepared import Prepared
from core.work import after_commit, later
from runs.models import Attempt, Run
from runs.services.orchestration import open_children

# Something waits for a place or gave one back. A round follows in this process, once the transaction holds: the agent whose
# report ended a step gets its next one with the answer, which a task on a worker would bring a call later.
placement_needed: Hook[[], object] = Hook()
# Whether a place was asked for, while one round is to follow for several transactions.
_places_asked: ContextVar[list[bool] | None] = ContextVar("places_asked", default=None)

EVENT_FACTS = (
    "queued_at",
    "preparing_at",
    "started_at",
    "finalizing_at",
    "finished_at",
    "error",
    "cancel_requested_by",
)


@dataclass
class Changes:
    """What one transaction has done to one tree so far."""

    root: Run
    entries: list[dict[str, Any]] = field(default_factory=list)
    # Runs that ended: what programs left open below them ends before the transaction does.
    ended: list[UUID] = field(default_factory=list)
    # Runs whose child runs have changed: lists of those look again.
    above: set[UUID] = field(default_factory=set)
    # Clusters before which something came to wait, or of which a node was given back: then there is a round once the
    # transaction holds, and lists of who holds them look again.
    places: set[UUID] = field(default_factory=set)


_open: ContextVar[Changes | None] = ContextVar("open_changes", default=None)


# The graph may be large and never changes: whoever needs it takes it from the cache (runs.services.orchestration.run_state).
_ROOT: Prepared[Run] = Prepared(
    lambda key: (
        Run.objects.select_for_update(no_key=True, of=("self",))
        .select_related("workspace", "experiment")
        .defer("graph")
        .filter(pk=key)
    )
)


@contextmanager
def run_transaction(root_id: UUID | None) -> Iterator[Run]:
    """Lock the root of a tree for the length of the block; what is noted inside becomes one event of the outbox.

    Every move of a run or an attempt happens in such a block, so a tree has one writer at a time and its
    version grows without gaps. Raises NotFound.
    """
    outer = _open.get()
    if outer is not None and outer.root.pk == root_id:
        yield outer.root
        return
    with slices.writing(savepoint=False):
        root = _ROOT.first(root_id) if root_id else None
        if root is None:
            raise NotFound(_("There is no such run."))
        changes = Changes(root)
        token = _open.set(changes)
        try:
            yield root
            _end_below(changes)
        finally:
            _open.reset(token)
        _record(changes)


@contextmanager
def placing_together() -> Iterator[None]:
    """One round of placement at the end, for all transactions of the block that ask for one."""
    asked: list[bool] = []
    token = _places_asked.set(asked)
    try:
        yield
    finally:
        _places_asked.reset(token)
        if asked:
            placement_needed()


def _place() -> None:
    asked = _places_asked.get()
    if asked is None:
        placement_needed()
    else:
        asked.append(True)


@receiver(transitioned, sender=Run)
def note(row: Run, to: str, facts: dict[str, Any], **_signal: object) -> None:
    """A run has moved: remember it for the event of this transaction."""
    entry: dict[str, Any] = {"run": str(row.pk), "status": to, "facts": {}}
    for name in EVENT_FACTS:
        if name in facts:
            value = facts[name]
            entry["facts"][name] = iso(value) if name.endswith("_at") else value
    if (row.kind == Run.Kind.STEP or row.is_own_step) and hasattr(row, "step"):
        entry["step"] = row.step.node_id
        entry["facts"]["reused"] = row.step.reused_from_id is not None
        if row.is_adopted:
            entry["facts"]["adopted"] = True
    changes = _current(row)
    _note_child(changes, row, entry)
    changes.entries.append(entry)
    if to in Run.ENDS:
        changes.ended.append(row.pk)


def open_root() -> UUID | None:
    """The root of the tree that this process is just writing; None where it writes none."""
    changes = _open.get()
    return changes.root.pk if changes is not None else None


def end_left(root_id: UUID) -> None:
    """End what is still open below ended runs of a tree, slice by slice. Called twice, the second call finds nothing."""
    while parents := open_children.parents_left(root_id):
        with run_transaction(root_id) as root:
            _current(root).ended += parents
        slices.pause()


@receiver(transitioned, sender=Attempt)
def note_attempt(row: Attempt, to: str, **_signal: object) -> None:
    """An attempt has moved: pages show attempts inside their step."""
    facts = {"attempt": {"id": str(row.pk), "number": row.number, "status": to, "node": row.node_name}}
    _current(row.run).entries.append({"run": str(row.run_id), "facts": facts})


def tell(run: Run, **facts: Any) -> None:
    """Record something about a run that is not a move: its name, its tags, why it waits."""
    changes, entry = _current(run), {"run": str(run.pk), "facts": facts}
    _note_child(changes, run, entry)
    changes.entries.append(entry)


def _note_child(changes: Changes, run: Run, entry: dict[str, Any]) -> None:
    if run.kind in (Run.Kind.CHILD, Run.Kind.TRIAL) and run.parent_id is not None:
        entry["parent"] = str(run.parent_id)
        changes.above.add(run.parent_id)


def place_after(run: Run, target_id: UUID | None) -> None:
    """Look for places once the transaction holds, once however often it is asked for."""
    if target_id is not None:
        _current(run).places.add(target_id)


def _current(run: Run) -> Changes:
    changes = _open.get()
    if changes is None or changes.root.pk != run.root_id:
        raise RuntimeError(
            "A run's tree changes only inside run_transaction(root): that is what keeps its version free of gaps."
        )
    return changes


def _end_below(changes: Changes) -> None:
    """Level by level; what is more than a slice is left to a worker."""
    while changes.ended:
        parents, changes.ended = changes.ended, []
        if open_children.end(parents):
            later("runs.end_left", root_id=str(changes.root.pk))


def _record(changes: Changes) -> None:
    if changes.places:
        after_commit(_place)
    if not changes.entries:
        return
    for run_id in changes.above:
        outbox.hint(f"children:{run_id}", {"reload": True})
    root = changes.root
    version = root.version + 1
    Run.objects.filter(pk=root.pk).update(version=version)
    root.version = version
    workspace = root.workspace.name
    lists = (f"list:{workspace}:runs", *sorted(f"holds:{workspace}:{target}" for target in changes.places))
    outbox.record(root.topic, version, {"changes": changes.entries}, lists=lists)
