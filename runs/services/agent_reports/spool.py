"""What a step says about runs: metrics, tags and properties, one JSON line each, taken in order and once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import transaction

from core import words
from core.errors import Conflict, Invalid, TooLarge
from core.ids import as_uuid
from core.sentences import Kept, kept, once, text_of
from core.text import DEEPEST, clean, cleaned, has_bad, is_deep
from runs import stored_messages
from runs.models import Attempt, Run
from runs.services.orchestration import sweep_looks
from runs.services.orchestration.run_transaction import run_transaction, tell
from runs.services.results import lineage, metrics

KEY_MAX = 255
VALUE_MAX = 8192
WARNINGS_MAX = 20
WARNING_MAX, PROBLEM_MAX = 500, 300
RECORDS_MAX = 10_000


@dataclass
class Batch:
    """Records that were understood, by what they do, and what was wrong with the others."""

    points: list[metrics.Record] = field(default_factory=list)
    tags: dict[UUID, dict[str, str]] = field(default_factory=dict)
    properties: dict[UUID, dict[str, str]] = field(default_factory=dict)
    problems: list[Kept] = field(default_factory=list)
    warnings: list[Kept] = field(default_factory=list)

    @property
    def targets(self) -> set[UUID]:
        return set({point.run_id.int: point.run_id for point in self.points}.values()) | {*self.tags, *self.properties}


def ingest(attempt: Attempt, offset: int, data: bytes) -> int:
    """Take the whole lines of `data`, which follow what is stored, and answer how many bytes are acknowledged.

    A line that makes no sense is skipped with a warning on the attempt: a script's slip must not stop its run.
    Raises Conflict (`offset`, with the stored `size`) when the bytes do not follow.
    """
    if attempt.spool_size != offset:
        raise refused(attempt.spool_size)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        return offset
    with words.stored():
        batch = understand(whole, attempt.run_id)
    with _writing(attempt.run, batch):
        size = _move_on(attempt, offset, len(whole))
        apply(attempt.run, batch)
        _warn(attempt, batch.problems, batch.warnings)
    attempt.spool_size = size
    return size


def skip(attempt: Attempt, offset: int, length: int, why: Kept) -> int:
    """Go on behind a line that its agent cannot bring, with a warning on the attempt; how many bytes are behind us.

    Raises Conflict (`offset`, with the stored `size`) when the line does not follow what is stored.
    """
    if attempt.spool_size != offset:
        raise refused(attempt.spool_size)
    with transaction.atomic():
        attempt.spool_size = _move_on(attempt, offset, length)
        _warn(attempt, [why])
    return attempt.spool_size


def _move_on(attempt: Attempt, offset: int, length: int) -> int:
    """Before anything else is written: of two who bring the same lines, one writes. Raises Conflict."""
    size = offset + length
    mine = Attempt.objects.filter(pk=attempt.pk, epoch=attempt.epoch, spool_size=offset)
    if not mine.update(spool_size=size):
        raise refused(Attempt.objects.values_list("spool_size", flat=True).get(pk=attempt.pk))
    return size


def record(run: Run, documents: list[Any]) -> int:
    """Take records that a program sends for a run or its tree; how many. All or none: a program is told at once.

    Raises Invalid (`bad_record`) naming everything that is wrong.
    """
    if len(documents) > RECORDS_MAX:
        raise TooLarge(f"Send at most {RECORDS_MAX} records at a time.")
    batch = Batch()
    for document in documents:
        note(batch, document, run.pk)
    batch.problems += [stored_messages.keep("no_warner", text=text_of(each)) for each in batch.warnings]
    with run_transaction(run.root_id or run.pk):
        if not batch.problems:
            apply(run, batch)
        if batch.problems:
            texts = [text_of(each) for each in batch.problems[:WARNINGS_MAX]]
            raise Invalid("\n".join(texts), code="bad_record", problems=texts)
    return len(documents)


def refused(size: int) -> Conflict:
    """The answer to lines at a wrong offset."""
    return Conflict(f"The stored size is {size}. Continue from there.", code="offset", size=size)


@contextmanager
def _writing(run: Run, batch: Batch) -> Iterator[None]:
    """One transaction. Only what other writers may touch too is worth the tree's lock; a step's own metrics are not."""
    if batch.targets <= {run.pk} and not batch.tags and not batch.properties:
        with transaction.atomic():
            yield
    else:
        with run_transaction(run.root_id or run.pk):
            yield


def understand(lines: bytes, default: UUID) -> Batch:
    """Read spool lines; `default` is the run of a line that names none. What is no character is replaced."""
    batch = Batch()
    text = lines.decode("utf-8", "replace")
    is_bad = has_bad(text)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            batch.problems.append(stored_messages.keep("no_json", number=number, line=repr(line[:60])))
            continue
        note(batch, cleaned(document) if is_bad and not is_deep(document) else document, default)
    return batch


def note(batch: Batch, document: Any, default: UUID) -> None:
    """Sort one record into the batch, or say what is wrong with it."""
    try:
        if not isinstance(document, dict):
            raise stored_messages.invalid("no_record")
        named = document.get("run")
        run_id = _run_named(named) if named else default
        if run_id is None:
            raise stored_messages.invalid("no_such_run", named=f"{named!r:.60}")
        op = document.get("op")
        if op == "metric":
            batch.points.append(metrics.read(run_id, document))
            batch.problems += metrics.why_not_kept(document)
        elif op == "tag":
            batch.tags.setdefault(run_id, {}).update([pair(document)])
        elif op == "property":
            key, value = pair(document)
            if batch.properties.setdefault(run_id, {}).setdefault(key, value) != value:
                raise stored_messages.invalid("fixed_property", key=key)
        elif op == "warning":
            batch.warnings.append(kept(document, clean(str(document.get("text")))[:WARNING_MAX]))
        elif op == "skipped":
            batch.problems.append(kept(document, clean(str(document.get("why")))[:PROBLEM_MAX]))
        else:
            raise stored_messages.invalid("no_operation", named=f"{op!r:.60}")
    except Invalid as error:
        batch.problems.append({"text": error.message, **stored_messages.kept_of(error)})


@lru_cache(maxsize=1024)
def _run_of(text: str) -> UUID | None:
    return as_uuid(text)


def _run_named(named: Any) -> UUID | None:
    return _run_of(named) if isinstance(named, str) else None


def pair(document: dict[str, Any]) -> tuple[str, str]:
    """Key and value of a tag or property; both are text. Raises Invalid."""
    key, value = document.get("key"), document.get("value")
    if not isinstance(key, str) or not key.strip() or len(key) > KEY_MAX:
        raise stored_messages.invalid("bad_key", most=KEY_MAX, key=f"{key!r:.60}")
    if is_deep(value):
        raise stored_messages.invalid("deep_value", key=key, most=DEEPEST)
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    if len(text) > VALUE_MAX:
        raise stored_messages.invalid("long_value", key=key, most=VALUE_MAX)
    return key, text


def apply(run: Run, batch: Batch) -> None:
    """Write the batch to runs of the same tree; a record of another tree is a problem, not an error."""
    targets = batch.targets
    known = _tree_members(run, batch, targets)
    strangers = targets - known.keys()
    batch.problems += [stored_messages.keep("strange_run", run=str(stranger)) for stranger in sorted(strangers)]
    metrics.add([point for point in batch.points if point.run_id in known] if strangers else batch.points)
    if run.kind == Run.Kind.TRIAL:
        sweep_looks.metrics_came(run, {point.name for point in batch.points if point.run_id == run.pk})
    for target_id, tags in batch.tags.items():
        if target_id in known:
            _tag(known[target_id], tags)
    for target_id, properties in batch.properties.items():
        if target_id in known:
            batch.problems += _describe(known[target_id], properties)
            lineage.note_named(run, properties)  # a child run's as well: its step is what the dataset's page shows


def _tree_members(run: Run, batch: Batch, wanted: set[UUID]) -> dict[UUID, Run]:
    if wanted <= {run.pk} and not batch.tags and not batch.properties:
        return {run.pk: run}
    rows = Run.objects.filter(pk__in=wanted, root_id=run.root_id).only("id", "root_id", "tags", "properties")
    return {row.pk: row for row in rows}


def _tag(run: Run, tags: dict[str, str]) -> None:
    run.tags = {**run.tags, **tags}
    Run.objects.filter(pk=run.pk).update(tags=run.tags)
    tell(run, tags=run.tags)


def _describe(run: Run, properties: dict[str, str]) -> list[Kept]:
    """Properties are added, never changed: what is there stays, and a change is a problem."""
    stays = {key for key, value in properties.items() if run.properties.get(key, value) != value}
    added = {key: value for key, value in properties.items() if key not in stays}
    run.properties = {**run.properties, **added}
    Run.objects.filter(pk=run.pk).update(properties=run.properties)
    return [stored_messages.keep("fixed_property", key=key) for key in sorted(stays)]


def _warn(attempt: Attempt, problems: list[Kept], said: Sequence[Kept] = ()) -> None:
    """Of records that were skipped, and what the SDK itself has to say: each sentence once."""
    if not problems and not said:
        return
    # Under the row lock that the update of the size took.
    warnings = list(Attempt.objects.values_list("warnings", flat=True).get(pk=attempt.pk))
    skipped = [stored_messages.keep("record_skipped", problem=problem) for problem in problems]
    fresh = [*(each for each in once(said) if each not in warnings), *skipped]
    context = max(0, WARNINGS_MAX - len(warnings))
    more = stored_messages.keep("more_skipped")
    attempt.warnings = [*warnings, *fresh[:context], *([more] if len(fresh) > context and more not in warnings else [])]
    Attempt.objects.filter(pk=attempt.pk).update(warnings=attempt.warnings)
