"""What the script of a parallel step wrote into its output itself (`summary_only`) before its attempt ended badly: kept, so that
a later attempt, which gets it back, may take over the mini-batches that are done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from core.errors import NotFound, StudioError
from core.objects import is_own_away
from core.storage import Root, artifact_store, direct, safe, store_path
from duto.spec.graph import Step
from duto.spec.parallel import KIND, SUMMARY_ONLY
from duto_protocol.messages import Finished, InputFile, OutputEntry
from runs.models import Attempt
from runs.queries.graphs import parsed
from runs.services.results.transfers import cut_links, left_at
from workspaces.services import storage


def key_of(attempt_id: object) -> str:
    """Where it lies in the workspace's artifact store."""
    return f"kept/{attempt_id}"


def output_of(step: Step) -> str:
    """The output whose files are kept; empty where the ledger has all that counts."""
    settings = step.settings if step.kind == KIND else {}
    is_own = str(settings.get("output_action", "")).strip().lower() == SUMMARY_ONLY
    return str(settings.get("output") or "") if is_own else ""


def keep(attempt: Attempt, report: Finished) -> None:
    """Keep the output of an attempt that did not complete, if all that its agent has found arrived. May be called again."""
    name = output_of(parsed(attempt.run.graph_id).steps[attempt.run.step.node_id])
    entry = next((each for each in report.outputs or () if each.name == name and not each.missing), None)
    if entry is None or not entry.is_directory:
        return
    try:
        left, source = left_at(attempt, report), f"outputs/{name}"
        place = left.place(source)
        if left.is_folder(source) and not (place is not None and place.is_symlink()):
            _take(attempt, left, source, sum(each.size for each in entry.files))
    except StudioError as error:  # no room: the next attempt begins anew
        if is_own_away(error):
            raise
        return
    if not _is_whole(attempt, entry):
        forget([attempt])


def _take(attempt: Attempt, left: Root, source: str, size: int) -> None:
    store, key = artifact_store(attempt.run.workspace_id), key_of(attempt.pk)
    storage.require(attempt.run.workspace, size)
    cut_links(left, source)
    store.remove(key)
    store.take(left, source, key)
    storage.note(attempt.run.workspace, size)


def _is_whole(attempt: Attempt, entry: OutputEntry) -> bool:
    found = {each.path: each.size for each in _files(attempt)}
    return all(found.get(each.path) == each.size for each in entry.files)


def is_there(attempt: Attempt) -> bool:
    """Whether the output of this attempt is kept."""
    return artifact_store(attempt.run.workspace_id).exists(key_of(attempt.pk))


def _files(attempt: Attempt) -> list[InputFile]:
    key = key_of(attempt.pk)
    found = artifact_store(attempt.run.workspace_id).walk(key)
    return [InputFile(path=each.path[len(key) + 1 :], size=each.size) for each in found]


def files_of(attempt: Attempt, base: str) -> list[InputFile]:
    """Its files, as they are fetched below the address `base`."""
    store = f"{store_path(attempt.run.workspace_id)}/{key_of(attempt.pk)}"
    return [
        InputFile(path=e.path, size=e.size, get=f"{base}/{e.path}", direct=direct(f"{store}/{e.path}"))
        for e in _files(attempt)
    ]


def get(attempt: Attempt, path: str) -> tuple[BinaryIO, int, str]:
    """(reader, size, name) of one of its files. Raises NotFound."""
    store, key = artifact_store(attempt.run.workspace_id), f"{key_of(attempt.pk)}/{safe(path)}"
    if not store.is_file(key):
        raise NotFound(f"There is no file '{path}' kept of this attempt.")
    return store.open(key), store.size(key), key.rsplit("/", 1)[-1]


def forget(attempts: Iterable[Attempt]) -> None:
    """Their outputs are needed no more."""
    for each in attempts:
        artifact_store(each.run.workspace_id).remove(key_of(each.pk))
