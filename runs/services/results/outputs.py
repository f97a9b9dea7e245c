"""Outputs of steps: promoted from the attempt's directory to their datastore when a finish is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import F

from core import words
from core.errors import Conflict, Unprocessable
from core.ids import as_uuid
from core.objects import ObjectRoot, at_once
from core.storage import Root, safe
from datasets import readiness, references, stores
from datasets.models import DatasetVersion, Datastore
from datasets.services import datastores
from datasets.services import versions as dataset_versions
from duto.spec import canonical, links, trees
from duto.spec.filenames import spelled
from duto.spec.graph import Step
from duto_protocol.messages import FileEntry, Finished, OutputEntry, Transfers
from duto_protocol.meters import Meter
from runs import stored_messages
from runs.models import Attempt, Output, Run
from runs.services.results import lineage, output_check, output_conflicts, part_uploads, transfer_progress
from runs.services.results.transfers import cut_links, left_at
from workspaces.access import studio_context
from workspaces.services import storage


def missing_outputs(report: Finished, step: Step) -> dict[str, Any]:
    """The `message` and `said` of a script's failure that did not write what it declared; empty when all is there."""
    written = {each.name for each in report.outputs or () if not each.missing}
    missing = [output.name for output in step.outputs if output.name not in written]
    if not missing:
        return {}
    names = ", ".join(f"'{name}'" for name in missing)
    name = "unwritten" if len(missing) == 1 else "all_unwritten"
    with words.stored():
        message = stored_messages.say(name, names=names)
    return {"message": message, "said": {"code": name, "facts": {"names": names}}}


def promote(attempt: Attempt, report: Finished) -> list[Output]:
    """Move what a completed attempt wrote to where it is kept, and name it in rows. May be called again.

    Raises Unprocessable (`output_changed`) when the files are not those of the report, Conflict (`storage_limit`) when
    they are more than the workspace may keep.
    """
    run = attempt.run
    declared = {each["name"]: each for each in step_of(run)["outputs"]}
    known = {output.name: output for output in Output.objects.filter(run=run)}
    left, entries = left_at(attempt, report), report.outputs or []
    new = [each for each in entries if each.name not in known]
    _make_room(run, new, left)
    new, meter = [each for each in new if not each.missing and each.name in declared], Meter()
    for entry in new:
        is_far = stores.place_of(run.workspace, place_of(run, declared[entry.name])[0]).direct is None
        if is_far and not entry.is_sent:
            meter.expect(len(entry.files), sum(each.size for each in entry.files))
    if meter.transfer.files_total and isinstance(report.transfers, Transfers) and report.transfers.outputs:
        meter.include(report.transfers.outputs)
    with transfer_progress.watched(attempt, meter):
        for entry in new:
            known[entry.name] = _promote(attempt, declared[entry.name], entry, left, meter)
    return [known[name] for name in declared if name in known]


def _make_room(run: Run, entries: Iterable[OutputEntry], left: Root) -> None:
    """Raises Conflict where these outputs are more than the workspace may keep. Those that were moved already, by a
    finish that was not committed, are counted where they lie."""
    come = [each for each in entries if not each.missing]
    here = [each for each in come if each.is_sent or left.exists(f"outputs/{each.name}")]
    size = sum(file.size for each in here for file in each.files)
    storage.require(run.workspace, size)
    storage.note(run.workspace, size)


def step_of(run: Run) -> dict[str, Any]:
    """The step's part of the frozen graph, as the document has it: already checked, so not read again."""
    root = run if run.pk == run.graph_id else run.root
    graph: Mapping[str, Any] = (root.graph if root else None) or {}
    for step in graph.get("steps", []):
        if step["id"] == run.step.node_id:
            return dict(step)
    raise LookupError(f"run {run.pk} is not in its graph")


def place_of(run: Run, output: Mapping[str, Any]) -> tuple[str, str]:
    """(datastore, path) of an output of the graph's document."""
    return part_uploads.place_of(run, str(output["name"]), output.get("datastore"), output.get("destination"))


def _promote(attempt: Attempt, output: Mapping[str, Any], entry: OutputEntry, left: Root, meter: Meter) -> Output:
    run, states = attempt.run, dict[str, part_uploads.State]()
    name, path = place_of(run, output)
    datastore = datastores.datastore(run.workspace, name)
    root = stores.root_of(datastore)
    source = f"outputs/{output['name']}"
    cut_links(left, source)
    if entry.is_sent:
        states = _commit(attempt, output, entry, root, name, path)
    elif left.exists(source):
        _move(run, output, left, source, root.metered(meter) if isinstance(root, ObjectRoot) else root, name, path)
    files = manifest(entry.files)
    _verify(root, path, files, entry.is_directory, str(output["name"]), states)
    row = keep(run, output, datastore, path, files, is_directory=entry.is_directory, states=states)
    if entry.is_sent:
        part_uploads.forget(attempt, row.name)
    if output.get("destination"):
        output_conflicts.settle(run, name, (output_check.key_of(row, each) for each in files))
    return row


def keep(
    run: Run,
    output: Mapping[str, Any],
    datastore: Datastore,
    path: str,
    files: list[dict[str, Any]],
    *,
    is_directory: bool,
    states: Mapping[str, part_uploads.State] | None = None,
) -> Output:
    """Name an output whose files lie at their place, and register it where it asks for that. `states`: what their store tells of
    them now, by key, as far as it was asked. Raises Conflict (`registered`)."""
    row = Output(
        run=run,
        name=output["name"],
        datastore=datastore.name,
        path=path,
        is_directory=is_directory,
        digest=canonical.digest(files),
        files=files,
        file_count=len(files),
        size=sum(each["size"] for each in files),
    )
    root = stores.root_of(datastore)
    output_check.tag(row, root, states or {})
    if output.get("kind") in links.LINK_KINDS:
        row.linked_version_id = _linked(run, output, row, root).pk
    row.dataset_version_id = _register(run, output, row, datastore)
    row.save(force_insert=True)
    return row


def _linked(run: Run, output: Mapping[str, Any], row: Output, root: Root) -> DatasetVersion:
    """The version that an output links, noted as read by its run. Raises Unprocessable (`bad_link`), also for one that nobody
    could read yet."""
    name, wanted = row.name, links.LINK_KINDS[output["kind"]]
    if row.is_directory or row.size > links.MOST_BYTES:
        raise Unprocessable(stored_messages.say("no_link", name=name), code="bad_link", name=name)
    with root.open(row.path) as file:
        key = as_uuid(links.linked(file.read(links.MOST_BYTES)) or "")
    version = DatasetVersion.objects.filter(workspace=run.workspace, pk=key).first() if key else None
    if version is None:
        raise Unprocessable(stored_messages.say("no_link", name=name), code="bad_link", name=name)
    if version.kind != wanted:
        facts = {"name": name, "kind": version.kind, "wanted": wanted}
        raise Unprocessable(stored_messages.say("other_link", **facts), code="bad_link", **facts)
    readiness.require(version)
    lineage.note_read(run, [version.pk])
    return version


def manifest(files: Iterable[FileEntry]) -> list[dict[str, Any]]:
    """The files of an output in the one order and spelling that its digest is made of."""
    ordered = sorted(files, key=lambda each: each.path)
    return [{"path": each.path, "size": each.size, "digest": each.digest} for each in ordered]


def _move(run: Run, output: Mapping[str, Any], left: Root, source: str, root: Root, store: str, path: str) -> None:
    if not output.get("destination"):
        # Left by a finish that was not committed: this attempt's files are the ones that count.
        root.remove(path)
        root.take(left, source, path)
        return
    # A folder that a program chose may hold files of other runs; they stay.
    files = {path: source}
    if left.is_folder(source):
        files = {f"{path}/{name}": f"{source}/{name}" for name in _names_below(left, source)}
    taken = _make_way(run, output, root, store, path, list(files))
    if root.local is None:
        _remove_folders(root, taken)
        at_once([partial(root.take, left, file, key) for key, file in files.items()])
        return
    for key, file in files.items():
        if root.exists(key):
            root.remove(key)
        root.take(left, file, key)


def _names_below(left: Root, source: str) -> list[str]:
    """All files, also such as would be halves of others were they the studio's own."""
    if (place := left.place(source)) is not None:
        return [spelled(name) for name, _file in trees.files(place)]
    return [each.path[len(source) + 1 :] for each in left.walk(source)]


def _commit(
    attempt: Attempt, output: Mapping[str, Any], entry: OutputEntry, root: Root, store: str, path: str
) -> dict[str, part_uploads.State]:
    """Make files of what the host has sent in parts, of which nothing was seen before; their states, by key."""
    assert isinstance(root, ObjectRoot)
    rows, keys = part_uploads.sent(attempt, entry, path, store), part_uploads.keys_of(path, entry)
    # A commit that was cut off goes on.
    left = [key for key in keys if key not in rows or not rows[key].tag]
    if output.get("destination"):
        is_mine = partial(part_uploads.has_made, root, rows)
        _remove_folders(root, _make_way(attempt.run, output, root, store, path, left, is_mine))
    elif len(left) == len(keys):
        # Left by a finish that was not committed. What lies where these are to be is replaced: to remove it first would be the
        # end of the parts, too.
        mine = set(keys)
        for each in [each.path for each in root.walk(path) if each.path not in mine]:
            root.remove(each)
    return part_uploads.commit(root, rows, keys)


def _make_way(
    run: Run,
    output: Mapping[str, Any],
    root: Root,
    store: str,
    path: str,
    keys: Sequence[str],
    is_mine: Callable[[str], bool] = lambda _key: False,
) -> list[str]:
    """The keys at which something lies that may be replaced. `is_mine`: whether that is of this attempt.

    Raises Conflict (`exists`), Forbidden (`run_scope`).
    """
    taken = [key for key in _taken(root, keys) if not is_mine(key)]
    if taken:
        _allow_overwrite(output, taken[0])
        output_conflicts.keep_off_again(run, str(output["name"]), store, root, path, taken)
    output_conflicts.claim(run, store, keys)
    return taken


def _taken(root: Root, keys: Sequence[str]) -> list[str]:
    if root.local is not None:
        return [key for key in keys if root.exists(key)]
    found: set[str] = set()

    def look(key: str) -> None:
        if root.exists(key):
            found.add(key)

    at_once([partial(look, key) for key in keys])
    return [key for key in keys if key in found]


def _remove_folders(root: Root, keys: Iterable[str]) -> None:
    """Where a file is to lie; a file that lies there is replaced as a whole."""
    for key in keys:
        if not root.is_file(key):
            root.remove(key)


def _allow_overwrite(output: Mapping[str, Any], key: str) -> None:
    if output.get("overwrite") is False and output.get("mode") == "upload":
        facts = {"name": output["name"], "path": key, "free": output_conflicts.OWN_PLACE}
        raise Conflict(stored_messages.say("exists", **facts), code="exists", **facts)


def _verify(
    root: Root,
    path: str,
    files: list[dict[str, Any]],
    is_directory: bool,
    name: str,
    states: Mapping[str, part_uploads.State],
) -> None:
    if not states and not root.exists(path):
        raise Unprocessable(stored_messages.say("not_arrived", name=name), code="output_changed", name=name)
    for each in files:
        key = safe(f"{path}/{each['path']}" if is_directory else path)
        found = states.get(key) or root.state(key)
        if found is None or found[0] != each["size"]:
            facts = {"name": name, "path": each["path"]}
            raise Unprocessable(stored_messages.say("not_reported", **facts), code="output_changed", **facts)


def register_again(run: Run, step: Step, written: Iterable[Output]) -> None:
    """Register a reused result as if it had been written anew, so that its name means what was made last.

    One that the name means already stays as it is. Raises StudioError.
    """
    rows = {row.name: row for row in written}
    for output in step.outputs:
        row, wanted = rows.get(output.name), output.register or {}
        if row is None or not wanted.get("name") or _is_meant(row, wanted["name"]):
            continue
        _register(run, {"register": wanted}, row, datastores.datastore(run.workspace, row.datastore))


def _is_meant(row: Output, name: str) -> bool:
    """Whether this output is what the dataset of this name gives."""
    if row.dataset_version_id is None:
        return False
    newest = DatasetVersion.objects.filter(pk=row.dataset_version_id, version=F("dataset__latest_version"))
    return newest.filter(dataset__name=name, dataset__archived_at__isnull=True).exists()


def _register(run: Run, output: Mapping[str, Any], row: Output, datastore: Datastore) -> UUID | None:
    """The dataset version of an output that is registered on completion.

    Raises Conflict (`registered`) for another definition under its name where it asks for no new version.
    """
    wanted = output.get("register")
    if not wanted or not wanted.get("name"):
        return None
    if row.linked_version_id is not None:
        linked = dataset_versions.get_version(run.workspace, row.linked_version_id)
        kind, definition, known = linked.kind, linked.definition, dataset_versions.known_of(linked)
    else:
        pattern = f"{row.path}/**" if row.is_directory else row.path
        parts = {key: wanted[key] for key in references.PARTS if wanted.get(key)}
        kind, definition = (
            wanted.get("kind") or "file",
            {**parts, "sources": [{"datastore": datastore.name, "path": pattern}]},
        )
        known = {"file_count": row.file_count, "size": row.size}
    try:
        version = dataset_versions.save(
            studio_context(run.workspace),
            wanted["name"],
            kind,
            definition,
            wanted.get("description") or "",
            wanted.get("tags") or {},
            create_new_version=wanted.get("create_new_version") is not False,
            # This is a step's verdict, with its run locked: nothing is read here.
            known=known,
        )
    except Conflict as error:
        if error.code != "exists":
            raise
        facts = {"name": row.name, "dataset": wanted["name"]}
        raise Conflict(stored_messages.say("registered", **facts), code="registered", **facts) from error
    return version.pk
