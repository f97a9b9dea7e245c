"""What a program opened below a run and left open ends with that run, by the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import QuerySet

from core import slices
from core.clock import now
from core.prepared import Prepared
from runs.models import Run
from runs.services.orchestration import failures

# So many roots are looked after by one look of the ticker.
MOST = 50


def _open() -> QuerySet[Run]:
    rows = Run.objects.filter(kind=Run.Kind.CHILD).exclude(status__in=Run.ENDS)
    return rows.select_related("parent").only("status", "kind", "root", "parent__status", "parent__error")


# Asked for at the end of every step; most have none.
_OF_ONE: Prepared[Run] = Prepared(lambda parent: _open().filter(parent=parent)[: slices.SLICE])


def end(parents: Iterable[UUID]) -> bool:
    """End what is open directly below these ended runs; whether it is more than a slice. Inside changing().

    Each child that ends is noted like any other, so what is below it is ended next.
    """
    keys = list(parents)
    found = _OF_ONE.all(keys[0]) if len(keys) == 1 else list(_open().filter(parent__in=keys)[: slices.SLICE])
    by_parent: dict[UUID | None, list[Run]] = {}
    for child in found:
        by_parent.setdefault(child.parent_id, []).append(child)
    for children in by_parent.values():
        above = children[0].parent
        if above is not None:
            _end_with(above, children)
    return len(found) == slices.SLICE


def _end_with(above: Run, children: Sequence[Run]) -> None:
    """As the run above them ended: a program that went well needs not say so of each child."""
    moment = now()
    if above.status == Run.Status.COMPLETED:
        Run.move_all(children, Run.Status.COMPLETED, finished_at=moment)
    elif above.status == Run.Status.FAILED:
        cause = str((above.error or {}).get("cause") or "user_error")
        Run.move_all(children, Run.Status.FAILED, finished_at=moment, error=failures.kept(cause, "failed_above", {}))
    else:
        Run.move_all(
            children, Run.Status.CANCELED, finished_at=moment, error=failures.kept("canceled", "canceled_above", {})
        )


def abandon(run: Run, number: int, cause: str) -> None:
    """End what an attempt opened that is tried again: the next one opens its own. Inside changing()."""
    error = failures.kept(cause, "attempt_above", {"attempt": number})
    children = list(_open().filter(parent=run.pk)[: slices.SLICE])
    Run.move_all(children, Run.Status.FAILED, finished_at=now(), error=error)


def left_open() -> list[UUID]:
    """Roots of open children whose run is over: more than one slice of them, or a wake-up that was lost."""
    rows = _open().order_by().filter(parent__status__in=Run.ENDS).values_list("root_id", flat=True)
    return [key for key in rows.distinct()[:MOST] if key is not None]


def parents_left(root_id: UUID) -> list[UUID]:
    """Ended runs of this tree below which something is open."""
    rows = _open().order_by().filter(root=root_id, parent__status__in=Run.ENDS).values_list("parent_id", flat=True)
    return [key for key in rows.distinct()[: slices.SLICE] if key is not None]
