"""Files of outputs that go to far stores from their hosts themselves, in parts of which nothing is seen before the studio commits
them: addresses for an open attempt alone, the commit of what it reports, and the end of what is left behind."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet

from core.clock import now
from core.errors import Conflict, StudioError, Unprocessable
from core.objects import ObjectRoot, StoreError, at_once
from core.prepared import Probe
from core.storage import safe
from core.work import send
from datasets import stores
from datasets.kinds.base import PartUploads
from datasets.models import Datastore
from duto.spec import canonical
from duto.spec.graph import Output as Declared
from duto_protocol.messages import OutputEntry, PartsAsk, PartsGiven, PartsOffer, PartsWanted
from duto_protocol.parts import part_size_of, sizes_of
from runs import stored_messages
from runs.models import Attempt, PartUpload, Run
from runs.queries.graphs import parsed
from runs.services.results import kept_outputs

log = logging.getLogger(__name__)
# What one answer gives: addresses, and bytes that they are for, which should be sent while they are good.
ADDRESSES, BYTES = 500, 512 << 20
# How long they are, in seconds. One of Azure's is good for the whole blob, also after the commit, so no longer than clocks may be
# apart (`APART_MOST_S`) and such bytes mostly take; a host asks for others where that was too short.
GOOD_FOR_S = 300
# Files that are committed, or given up, at a time.
BATCH = 64
# A store that does not take the end of an upload is asked again after a while, and no more after a week.
AGAIN, GIVEN_UP = timedelta(minutes=10), timedelta(days=7)
State = tuple[int, str]
# Of a file of which a store may have begun an upload that nobody has noted: its key, about when, and the uploads that are known.
Unnoted = tuple[str, datetime, frozenset[str]]


def place_of(run: Run, name: str, datastore: str | None, destination: str | None) -> tuple[str, str]:
    """(datastore, path) of an output: programs build `azureml/<step run id>/<output>` by hand."""
    store = datastore or run.workspace.default_datastore
    if not destination:
        return store, f"azureml/{run.pk}/{name}"
    return store, safe(destination.replace("{run-id}", str(run.pk)).replace("{output-name}", name))


def keys_of(path: str, entry: OutputEntry | PartsAsk) -> list[str]:
    """Where the files of an output lie, in their order."""
    return [safe(f"{path}/{each.path}") if entry.is_directory else path for each in entry.files]


def can_take(run: Run, output: Declared, attempt: Attempt) -> bool:
    """Whether the attempt's host may send the files of this output itself. Of a try on several nodes only the first one's count,
    and what a later attempt gets back goes through the studio."""
    if attempt.node_rank or kept_outputs.output_of(parsed(run.graph_id).steps[run.step.node_id]) == output.name:
        return False
    return stores.can_presign(run.workspace, output.datastore or run.workspace.default_datastore)


def offer(attempt: Attempt, asked: PartsAsk, is_of_use: bool) -> PartsOffer:
    """Addresses for the files that are asked for, as many as one answer has. `is_of_use`: whether the host can reach what lies on
    the studio's own machine. May be asked again.

    Raises Conflict (`no_parts`) where the output goes through the studio, Invalid, StoreError.
    """
    run = attempt.run
    output = next((o for o in parsed(run.graph_id).steps[run.step.node_id].outputs if o.name == asked.output), None)
    if output is None or not can_take(run, output, attempt):
        raise _no_parts(asked.output)
    name, path = place_of(run, output.name, output.datastore, output.destination)
    datastore = Datastore.objects.get(workspace=run.workspace, name=name)
    uploads = stores.part_uploads_of(datastore)
    wanted = dict(zip(keys_of(path, asked), asked.files, strict=True))
    rows = _begun(attempt, datastore, uploads, output.name, wanted)
    given, addresses, size = list[PartsGiven](), 0, 0
    for key, each in wanted.items():
        row = rows[key]
        sizes = sizes_of(row.size, row.part_size)[each.first - 1 :]
        found: list[str] = []
        for number, part in enumerate(sizes, each.first):
            if addresses >= ADDRESSES or (size and size + part > BYTES):
                break
            found.append(uploads.part_address(key, row.upload, number, GOOD_FOR_S))
            addresses, size = addresses + 1, size + part
        if not found:
            break
        if not is_of_use and stores.is_here(urlsplit(found[0]).hostname):
            raise _no_parts(asked.output)
        given.append(PartsGiven(each.path, row.upload, row.part_size, each.first, found))
    return PartsOffer(given)


def _no_parts(name: str) -> Conflict:
    return Conflict(f"Files of the output '{name}' go through the studio.", code="no_parts")


def _begun(
    attempt: Attempt, datastore: Datastore, uploads: PartUploads, output: str, wanted: Mapping[str, PartsWanted]
) -> dict[str, PartUpload]:
    """The uploads by key: those that are begun already, and new ones."""
    names = {canonical.digest([output, key]): key for key in wanted}
    mine = PartUpload.objects.filter(attempt=attempt, epoch=attempt.epoch, name__in=names)
    known = {row.name: row for row in mine}
    fresh = [
        PartUpload(
            attempt=attempt, epoch=attempt.epoch, datastore=datastore, output=output, key=key, name=name,
            size=wanted[key].size, part_size=part_size_of(wanted[key].size), upload="",
        )
        for name, key in names.items() if name not in known
    ]  # fmt: skip
    # Before the store is asked: what it has begun and nobody has noted can be looked for then.
    PartUpload.objects.bulk_create(fresh, ignore_conflicts=True)
    cut_off = [row for row in known.values() if not row.upload]
    if fresh or cut_off:
        known = {row.name: row for row in mine.all()}
        _begin(uploads, output, [row for row in known.values() if not row.upload])
        # Once one is noted: another call, which is only slow, may have begun the one that it is about to note.
        at_once([partial(uploads.abort_unnoted, *each) for each in _unnoted(cut_off)])
        known = {row.name: row for row in mine.all()}
    changed = [row for row in known.values() if row.size != wanted[row.key].size or row.tag]
    if changed:
        raise Conflict(f"The file '{changed[0].key}' was begun with another size.", code="no_parts")
    return {row.key: row for row in known.values()}


def _unnoted(rows: Iterable[PartUpload]) -> list[Unnoted]:
    """What has to be asked of a store for rows of which nobody knows whether it has begun an upload."""
    found = list[Unnoted]()
    for row in rows:
        others = PartUpload.objects.filter(datastore=row.datastore_id, key=row.key).values_list("upload", flat=True)
        found.append((row.key, row.created_at, frozenset(others)))
    return found


def _begin(uploads: PartUploads, output: str, rows: Sequence[PartUpload]) -> None:
    """Begin uploads, and note them. Raises Conflict where the credentials can sign nothing, StoreError."""
    begun: dict[int, str] = {}

    def begin(row: PartUpload) -> None:
        begun[row.pk] = uploads.begin_upload(row.key)

    try:
        at_once([partial(begin, row) for row in rows])
    finally:
        with transaction.atomic():
            free = list(PartUpload.objects.select_for_update().filter(pk__in=begun, upload=""))
            for row in free:
                row.upload = begun[row.pk]
            PartUpload.objects.bulk_update([row for row in free if row.upload], ["upload"])
    taken = {row.pk for row in free}
    # Another call was first, or the attempt is over.
    at_once([partial(uploads.abort_upload, row.key, begun[row.pk]) for row in rows if row.pk not in taken])
    if not all(begun.values()):
        PartUpload.objects.filter(pk__in=taken, upload="").delete()
        raise _no_parts(output)


def sent(attempt: Attempt, entry: OutputEntry, path: str, store: str) -> dict[str, PartUpload]:
    """The uploads of the files of an output that its host has sent, by key; those without a byte have none.

    Raises Unprocessable (`output_changed`) where the report tells of others than were begun.
    """
    rows = PartUpload.objects.filter(attempt=attempt, epoch=attempt.epoch, output=entry.name, datastore__name=store)
    found = {row.key: row for row in rows}
    kept: dict[str, PartUpload] = {}
    for key, file in zip(keys_of(path, entry), entry.files, strict=True):
        row = found.get(key)
        if file.size and (row is None or not row.upload or row.size != file.size):
            facts = {"name": entry.name, "path": file.path}
            raise Unprocessable(stored_messages.say("not_reported", **facts), code="output_changed", **facts)
        if file.size and row is not None:
            kept[key] = row
    return kept


def commit(root: ObjectRoot, rows: Mapping[str, PartUpload], keys: Sequence[str]) -> dict[str, State]:
    """Make files of the parts, some at a time, each of which is kept to be done; the state of each file. May be called again, also
    where the store made a file of which nobody took note.

    Raises StoreError.
    """
    uploads, found = cast(PartUploads, root.objects), dict[str, State]()

    def settle(key: str) -> None:
        row = rows.get(key)
        if row is None:
            root.objects.write(key, io.BytesIO(), 0, overwrite=True)
        else:
            uploads.commit_upload(key, row.upload, sizes_of(row.size, row.part_size))
        state = root.state(key)
        if state is None or state[0] != (row.size if row else 0):
            raise StoreError(stored_messages.say("not_arrived", name=key), code="store_away")
        found[key] = state

    found |= {key: (row.size, row.tag) for key, row in rows.items() if row.tag}
    todo = [key for key in keys if key not in found]
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        try:
            at_once([partial(settle, key) for key in batch])
        finally:
            done = [rows[key] for key in batch if key in found and key in rows]
            for row in done:
                row.tag = found[row.key][1]
            if done:
                PartUpload.objects.bulk_update(done, ["tag"])
    return found


def has_made(root: ObjectRoot, rows: Mapping[str, PartUpload], key: str) -> bool:
    """Whether the file that lies there was made of its parts, although nobody took note of it. Raises StoreError."""
    row = rows.get(key)
    return row is not None and cast(PartUploads, root.objects).has_committed(key, row.upload)


def forget(attempt: Attempt, output: str) -> None:
    """The files of an output are kept."""
    PartUpload.objects.filter(attempt=attempt, epoch=attempt.epoch, output=output).delete()


def _over(moment: datetime) -> QuerySet[PartUpload]:
    """What nobody will commit: of an attempt that is over, or that another epoch has."""
    is_over = Q(attempt=None) | Q(attempt__status__in=Attempt.ENDS) | Q(epoch__lt=F("attempt__epoch"))
    return PartUpload.objects.filter(is_over).filter(Q(due_at=None) | Q(due_at__lt=moment))


_OVER = Probe(_over, datetime)


def look_for_left() -> None:
    """Have a worker give up what is left, if there is any."""
    if _OVER(now()):
        send("runs.give_up_uploads")


def give_up() -> int:
    """Have stores forget the parts that nobody will commit; how many files they were of. One that does not answer is asked again
    later."""
    count = 0
    while rows := list(_over(now()).select_related("datastore__workspace").order_by("id")[:BATCH]):
        keys = [row.pk for row in rows]
        PartUpload.objects.filter(pk__in=keys).update(due_at=now() + AGAIN)
        gone: list[int] = []
        for store, mine in _by_store(rows).items():
            try:
                uploads = stores.part_uploads_of(mine[0].datastore)
                at_once(
                    [partial(uploads.abort_upload, row.key, row.upload) for row in mine if row.upload and not row.tag]
                )
                at_once([partial(uploads.abort_unnoted, *each) for each in _unnoted(r for r in mine if not r.upload)])
                gone += [row.pk for row in mine]
            except StudioError as error:
                log.warning("parts on the datastore %s are not given up yet: %s", store, error)
                gone += [row.pk for row in mine if row.created_at < now() - GIVEN_UP]
        PartUpload.objects.filter(pk__in=gone).delete()
        count += len(gone)
    return count


def _by_store(rows: Iterable[PartUpload]) -> dict[UUID, list[PartUpload]]:
    found: dict[UUID, list[PartUpload]] = {}
    for row in rows:
        found.setdefault(row.datastore_id, []).append(row)
    return found
