"""Files that belong to a run: what a step left in `outputs/` and `logs/`, and what a program uploads."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO
from uuid import uuid4

from django.db import transaction

from core import once, outbox
from core.errors import Conflict, Invalid, StudioError
from core.fullness import as_full
from core.objects import is_own_away
from core.sentences import Kept
from core.serving import type_of
from core.storage import Root, artifact_store, safe
from core.work import after_commit
from duto_protocol.messages import ArtifactEntry, Finished
from runs.models import Artifact, Attempt, Run
from runs.services.results.transfers import clear, cut_links, left_at
from runs.stored_messages import keep, kept_of
from workspaces.services import storage

RESERVED = "user_logs/"
PATH_MAX = 1024
# Of names in a warning: how many, and how much of each.
NAMED, SHOWN = 10, 200
# Artifacts that are named in one transaction.
SLICE = 1000
log = logging.getLogger(__name__)


def adopt(attempt: Attempt, report: Finished) -> list[Kept]:
    """Take the artifacts of an attempt that ended into the store, and name them in rows; sentences on those that cannot be
    kept. May be called again. Many are taken in slices, so that nobody waits for all of their rows."""
    entries, odd = _named(report.artifacts or ())
    if (refusal := _no_room(attempt, report, entries)) is not None:
        after_commit(lambda: clear(attempt))
        return [refusal]
    paths = list(entries)
    for start in range(0, len(paths), SLICE):
        some = paths[start : start + SLICE]
        odd += _adopt_some(attempt, report, {path: entries[path] for path in some})
    after_commit(lambda: clear(attempt))
    if not odd:
        return []
    names, more = ", ".join(f"'{path[:SHOWN]}'" for path in odd[:NAMED]), len(odd) - NAMED
    if more > 0:
        return [keep("files_unkept_more", names=names, count=f"{more:,}")]
    return [keep("files_unkept", names=names)]


def _no_room(attempt: Attempt, report: Finished, entries: Mapping[str, ArtifactEntry]) -> Kept | None:
    """Why the workspace has no room for these files, if so. Those that were taken already are counted where they lie."""
    workspace = attempt.run.workspace
    if storage.left(workspace) is None:
        return None
    left = left_at(attempt, report)
    size = sum(each.size for path, each in entries.items() if left.is_file(f"work/{path}"))
    try:
        storage.require(workspace, size)
    except Conflict as error:
        return keep("no_room", why={"text": error.message, **kept_of(error)})
    storage.note(workspace, size)
    return None


def _adopt_some(attempt: Attempt, report: Finished, entries: Mapping[str, ArtifactEntry]) -> list[str]:
    """The paths of those that cannot be kept."""
    store, left = artifact_store(attempt.run.workspace_id), left_at(attempt, report)
    step_aside(attempt, store, entries)
    rows, odd = [], []
    for path, each in entries.items():
        try:
            row = _adopt(attempt, store, left, path, each)
        except (StudioError, OSError) as error:
            if as_full(error) is not None or is_own_away(error):  # it may be kept in a while
                raise
            log.warning("the file %r of attempt %s is not kept: %s", path, attempt.pk, error)
            row = None
        if row is None:
            odd.append(path)
        else:
            rows.append(row)
    Artifact.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["run", "path"],
        update_fields=["attempt", "size", "digest", "content_type"],
    )
    return odd


def _named(entries: Iterable[ArtifactEntry]) -> tuple[dict[str, ArtifactEntry], list[str]]:
    """The artifacts of a report by their paths, and the paths that cannot be those of artifacts."""
    found: dict[str, ArtifactEntry] = {}
    odd: list[str] = []
    for each in entries:
        path = each.path
        try:
            clean = safe(path)
        except Invalid:
            clean = ""
        if clean and not clean.startswith(RESERVED) and len(clean) <= PATH_MAX:
            found[clean] = each
        else:
            odd.append(path)
    return found, odd


def _adopt(attempt: Attempt, store: Root, left: Root, path: str, entry: ArtifactEntry) -> Artifact | None:
    row = Artifact(
        run_id=attempt.run_id,
        attempt=attempt,
        path=path,
        digest=entry.digest,
        content_type=type_of(path)[:120],
    )
    source = f"work/{path}"
    if (place := left.place(source)) is not None and place.is_symlink():
        cut_links(left, source)
    if (found := left.state(source)) is None:  # taken already, by an earlier telling of this report, or no file
        found = store.state(row.key)
    else:
        store.take(left, source, row.key)
    if found is None:
        return None
    row.size = found[0]
    return row


def step_aside(attempt: Attempt, store: Root, paths: Iterable[str]) -> None:
    """Artifacts of earlier attempts are kept: under `attempt-<n>/` where a later attempt has the same name."""
    if attempt.number == 1:
        return
    rows = Artifact.objects.filter(run_id=attempt.run_id, path__in=list(paths), attempt__number__lt=attempt.number)
    for row in rows.select_related("attempt"):
        old = row.key
        row.path = f"attempt-{row.attempt.number if row.attempt else 0}/{row.path}"
        if store.is_file(old):
            store.move(old, row.key)
        row.save(update_fields=["path"])


def put(run: Run, path: str, source: BinaryIO, *, overwrite: bool = False) -> Artifact:
    """Keep a file that a program uploads; one of an earlier attempt steps aside.

    Raises Conflict when this attempt has other bytes under the name, Invalid for a bad name.
    """
    clean = safe(path)
    if not clean or len(clean) > PATH_MAX:
        raise Invalid(f"The name of an artifact has 1 to {PATH_MAX} characters.")
    if clean.startswith(RESERVED):
        raise Invalid("Names below 'user_logs/' belong to the studio. Choose another folder.", code="reserved_path")
    attempt = Attempt.objects.filter(run=run).order_by("-number", "node_rank").first()
    row = Artifact(run=run, attempt=attempt, path=clean, content_type=type_of(clean)[:120])
    store = artifact_store(run.workspace_id)
    # The bytes come first, beside the place: how long they take is up to their sender, and no transaction waits for it.
    part = f"artifacts/{run.pk}/.part-{uuid4().hex}"
    try:
        written = store.write(part, storage.metered(run.workspace, source))
        storage.note(run.workspace, written.size)
        values = {"attempt": attempt, **written._asdict(), "content_type": row.content_type}
        with transaction.atomic():
            if attempt is not None:
                step_aside(attempt, store, [clean])
            rows = Artifact.objects.select_for_update()
            kept, is_new = rows.get_or_create(run=run, path=clean, defaults=values)
            if not is_new:
                _replace(kept, values, overwrite)
            once.settle(kept, content=written.digest)
            store.move(part, row.key)
            outbox.hint(f"files:{run.pk}", {"reload": True})
    finally:
        store.remove(part)
    return kept


def _replace(kept: Artifact, values: Mapping[str, Any], overwrite: bool) -> None:
    """The same bytes again are no conflict."""
    if not overwrite and kept.digest != values["digest"]:
        text = f"The run has a file '{kept.path}' already, with other bytes. Choose another name for this one."
        raise Conflict(text, code="exists")
    for name, value in values.items():
        setattr(kept, name, value)
    kept.save(update_fields=list(values))
