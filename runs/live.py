"""The live topics of runs: who may watch them, and what a page that comes late is told first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from core import loglines
from core.ids import as_uuid
from runs.models import Attempt, Run
from runs.queries.logs import Log, window
from runs.services.results.logs import FRAME_LIMIT, frame
from workspaces import live
from workspaces.models import Member, User

# What follows the attempt in the topic of a process.
RANK = "-rank"


def register() -> None:
    live.register("run", may_watch_run, live.outbox_frames("run"))
    for prefix in ("metrics", "files", "children"):
        live.register(prefix, may_watch_run, look_again)
    live.register("log", may_watch_log, missed_log)
    live.register("usage", may_watch_log)
    live.register("ledger", may_watch_log, look_again)
    # Nothing is missed: while bytes move, the next word comes within a second, and their end comes with the attempt's.
    live.register("transfers", may_watch_log)
    for prefix in ("uses", "holds"):
        live.register(prefix, may_watch_uses)


def may_watch_run(user: User, key: str) -> bool:
    run_id = as_uuid(key)
    rows = Run.objects.filter(pk=run_id) if run_id else Run.objects.none()
    return _is_member(user, rows.values_list("workspace_id", flat=True).first())


def may_watch_log(user: User, key: str) -> bool:
    rows = _attempts(key)
    return _is_member(user, rows.values_list("run__workspace_id", flat=True).first())


def look_again(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """No event tells what came between the picture of a page and its first frame: whoever has one looks once more."""
    return [{"reload": True}] if isinstance(asked.get("version"), int) else []


def may_watch_uses(user: User, key: str) -> bool:
    """Who uses a thing is told to the members of the workspace; of things of others nothing is ever told there."""
    workspace, _, thing = key.partition(":")
    return as_uuid(thing) is not None and Member.objects.filter(user=user, workspace__name=workspace).exists()


def missed_log(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The bytes since the page's offset when they are few, else how many there are."""
    log = _log(key)
    offset = asked.get("offset")
    if log is None or not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        return []
    final, behind = log.log_sealed_at is not None, log.log_size - offset
    known = {"final": final, "errors": loglines.count_of(log.log_errors)}
    if behind <= 0:
        return [{"offset": offset, "size": log.log_size, "text": "", **known}] if final else []
    if behind > FRAME_LIMIT:
        return [{"offset": offset, "size": log.log_size, **known}]
    return [{**frame(offset, window(log, offset, behind).data, log.log_size), **known}]


def _log(key: str) -> Log | None:
    """The log of an attempt, or of one of its processes that has said something."""
    attempt, rank = _attempts(key).select_related("run").defer("run__graph").first(), key.partition(RANK)[2]
    if attempt is None or not rank:
        return attempt
    found = attempt.ranks.filter(rank=int(rank)).first() if rank.isdecimal() and len(rank) < 4 else None
    if found is not None:
        found.attempt = attempt
    return found


def _attempts(key: str) -> QuerySet[Attempt]:
    attempt_id = as_uuid(key.partition(RANK)[0])
    return Attempt.objects.filter(pk=attempt_id) if attempt_id else Attempt.objects.none()


def _is_member(user: User, workspace_id: UUID | None) -> bool:
    return workspace_id is not None and Member.objects.filter(user=user, workspace=workspace_id).exists()
