"""Artifacts and outputs of a run, to list and to open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.clock import iso
from core.errors import Conflict, NotFound
from core.storage import Root, artifact_store, safe
from datasets import stores
from registry.hooks import RunFiles
from runs.models import Artifact, Output, Run
from workspaces.models import Workspace


def artifacts_of(run: Run, prefix: str = "") -> QuerySet[Artifact]:
    """The files of a run below a prefix; of a reused step, those of its source."""
    rows = Artifact.objects.filter(run_id=evidence_of(run)).select_related("attempt")
    return rows.filter(path__startswith=prefix) if prefix else rows


def artifact_document(artifact: Artifact) -> dict[str, Any]:
    return {
        "path": artifact.path,
        "size": artifact.size,
        "digest": artifact.digest,
        "attempt": artifact.attempt.number if artifact.attempt else None,
        "content_type": artifact.content_type,
    }


def open_artifact(run: Run, path: str) -> tuple[Artifact, BinaryIO]:
    """The artifact and a reader of its bytes. Raises NotFound."""
    found = artifacts_of(run).filter(path=safe(path)).first()
    if found is None:
        raise NotFound(_("The run has no file %(path)r.") % {"path": path})
    return found, artifact_store(run.workspace_id).open(found.key)


def evidence_of(run: Run) -> UUID:
    """The run whose files these are: a reused step has those of its source."""
    source = run.step.reused_from_id if hasattr(run, "step") else None
    return source or run.pk


def outputs_of(run: Run) -> list[Output]:
    """The outputs of a step; of a root, those of all its steps that wrote any."""
    if run.is_root and not hasattr(run, "step"):
        rows = Output.objects.filter(run__root=run.pk)
    else:
        rows = Output.objects.filter(run_id=evidence_of(run))
    return list(rows.order_by("run_id", "name"))


def output_of(run: Run, name: str) -> Output:
    """Raises NotFound, naming the outputs there are."""
    found = {output.name: output for output in Output.objects.filter(run_id=evidence_of(run))}
    if name not in found:
        there = ", ".join(sorted(found)) or "none"
        raise NotFound(_("The run has no output '%(name)s'. There are: %(there)s.") % {"name": name, "there": there})
    return found[name]


def require_kept(output: Output) -> None:
    """Raises NotFound (`removed`) for an output whose files the retention has taken away."""
    if output.removed_at is not None:
        raise NotFound(
            _(
                "The files of the output '%(output)s' were removed on %(removed_at)s by the workspace's retention. Run the step again to have them."
            )
            % {"output": output.name, "removed_at": f"{output.removed_at:%Y-%m-%d}"},
            code="removed",
        )


def output_documents(outputs: Iterable[Output]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "run": str(each.run_id),
            "datastore": each.datastore,
            "path": each.path,
            "is_directory": each.is_directory,
            "digest": each.digest,
            "size": each.size,
            "file_count": each.file_count,
            "dataset_version": str(each.dataset_version_id) if each.dataset_version_id else None,
            "linked_version": str(each.linked_version_id) if each.linked_version_id else None,
            "removed_at": iso(each.removed_at),
        }
        for each in outputs
    ]


def open_output(run: Run, name: str, path: str) -> tuple[BinaryIO, int, str]:
    """(reader, size, name) of one file of an output; the manifest says which there are. Raises NotFound."""
    output = output_of(run, name)
    entry = next((each for each in output.files if each["path"] == path), None)
    wanted = path if entry is not None else safe(path)
    entry = entry or next((each for each in output.files if each["path"] == wanted), None)
    if entry is None:
        raise NotFound(_("The output '%(name)s' has no file %(path)r.") % {"name": name, "path": path})
    root = stores.root_by_name(run.workspace, output.datastore)
    key = unchanged_key(output, entry, root)
    return root.open(key), root.size(key), wanted.rsplit("/", 1)[-1]


def unchanged_key(output: Output, entry: dict[str, Any], root: Root) -> str:
    """Where one file of a manifest lies. Raises NotFound (`removed`, `output_gone`), Conflict (`output_changed`).

    What another run wrote over it since is not given out as this run's.
    """
    require_kept(output)
    key = f"{output.path}/{entry['path']}" if output.is_directory else output.path
    change = root.differs(key, entry)
    if change == "gone":
        raise NotFound(
            _("The file '%(path)s' of the output '%(output)s' was deleted since. Run the step again to have it.")
            % {"path": entry["path"], "output": output.name},
            code="output_gone",
        )
    if change:
        raise Conflict(
            _(
                "The file '%(path)s' of the output '%(output)s' was overwritten since, by another run or by hand. What lies there now is found on the datastore '%(datastore)s' at '%(key)s'."
            )
            % {"path": entry["path"], "output": output.name, "datastore": output.datastore, "key": key},
            code="output_changed",
        )
    return key


def model_files(workspace: Workspace, run_id: UUID, path: str) -> RunFiles:
    """The artifacts at a path of a run, for a model to be made of: the file, or the folder under its own name. Raises NotFound."""
    run = Run.objects.select_related("experiment").filter(workspace=workspace, pk=run_id).first()
    if run is None:
        raise NotFound(
            _("There is no run %(run_id)s in workspace '%(workspace)s'.")
            % {"run_id": run_id, "workspace": workspace.name}
        )
    rows = list(Artifact.objects.filter(run=run, path=path))
    above = path.rpartition("/")[0]
    rows = rows or list(Artifact.objects.filter(run=run, path__startswith=f"{path}/").order_by("path"))
    if not rows:
        raise NotFound(
            _("The run has no artifact '%(path)s'. Write it below 'outputs/' or upload it first.") % {"path": path},
            code="no_artifact",
        )
    store = artifact_store(workspace.pk)
    files: list[tuple[str, Callable[[], BinaryIO]]] = [
        (row.path[len(above) :].lstrip("/"), partial(store.open, row.key)) for row in rows
    ]
    return RunFiles(files, run.experiment.name)
