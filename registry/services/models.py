"""Models are registered here: the bytes are copied, so a model outlives the run that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core import once, outbox
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.spec import refusing
from core.storage import Root, artifact_store, blob_key, safe
from duto.spec.filenames import LONGEST
from duto.spec.names import check_name
from registry import hooks
from registry.hooks import Source
from registry.models import ModelVersion, RegisteredModel
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit, edits, storage

MOST_FILES = 10_000
# What may be changed of what is said about a version.
SAID = ("description", "tags", "properties", "datasets")


@dataclass(frozen=True)
class Facts:
    """What is said about a version when it is registered."""

    description: str = ""
    framework: str = ""
    framework_version: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    datasets: Mapping[str, Any] = field(default_factory=dict)
    run_id: UUID | None = None
    experiment_name: str = ""


def register(context: WorkspaceContext, name: str, sources: Iterable[Source], facts: Facts) -> ModelVersion:
    """The next version under a name. Raises Invalid for bad names and paths, Unprocessable without files."""
    context.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    with refusing():
        check_name("model", name)
    files = _checked(sources)
    version = ModelVersion(created_by=context.user, **_columns(facts))
    store = artifact_store(context.workspace.pk)
    try:
        version.files = [_copy(context.workspace, store, version.prefix, path, opened) for path, opened in files]
        version.file_count, version.size = len(files), sum(each["size"] for each in version.files)
        version.is_file = len(files) == 1 and "/" not in files[0][0]
        _number(context, name, version)
    except BaseException:
        store.remove(version.prefix)
        raise
    return version


def register_from_run(context: WorkspaceContext, name: str, run_id: UUID, path: str, facts: Facts) -> ModelVersion:
    """Register artifacts of a run: a file, or a folder with all below it. Raises NotFound when it has none there."""
    found = hooks.run_files(context.workspace, run_id, safe(path))
    known = Facts(**{**facts.__dict__, "run_id": run_id, "experiment_name": found.experiment_name})
    return register(context, name, found.files, known)


def blob_sources(workspace: Workspace, files: Iterable[Mapping[str, Any]]) -> list[Source]:
    """Files that were uploaded as blobs, as a snapshot's are. Raises Unprocessable for one that is missing."""
    store = artifact_store(workspace.pk)
    found: list[Source] = []
    for each in files:
        digest = str(each.get("digest", ""))
        if not digest.isalnum() or len(digest) != 64 or not store.is_file(blob_key(digest)):
            raise Unprocessable(
                _("The file '%(path)s' has not been uploaded. Send it to 'blobs/' first.") % {"path": each.get("path")},
                code="missing_blob",
            )
        found.append((str(each.get("path", "")), partial(store.open, blob_key(digest))))
    return found


def find_model(workspace: Workspace, name: str, version: object = "latest") -> ModelVersion:
    """A version by name and number. Raises NotFound."""
    found = ModelVersion.objects.select_related("model", "created_by").filter(
        model__workspace=workspace, model__name=name
    )
    text = str(version)
    if text != "latest":
        found = found.filter(version=int(text)) if text.isdecimal() and len(text) < 9 else found.none()
    newest = found.order_by("-version").first()
    if newest is None:
        text = _("There is no model '%(name)s' in workspace '%(workspace)s'.")
        if text != "latest":
            text = _("There is no model '%(name)s' in version %(version)s in workspace '%(workspace)s'.")
        raise NotFound(
            text % {"name": name, "version": version, "workspace": workspace.name},
            code="unknown_model",
        )
    return newest


@transaction.atomic
def annotate(
    context: WorkspaceContext, version: ModelVersion, *, seen: edits.Seen = None, **changes: Any
) -> ModelVersion:
    """Change what is only said about a version. Properties are added, as in Azure ML.

    Raises Conflict for another value of one that is there, PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("model", version.pk)
    version = ModelVersion.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "model", "created_by"
    ).get(pk=version.pk)  # fmt: skip
    edits.require_unchanged(seen, said_of(version), context.workspace, version.pk)
    given = changes.get("properties")
    if given is not None:
        taken = sorted(key for key, value in given.items() if version.properties.get(key, value) != value)
        if taken:
            text = _("The property '%(key)s' is set already, and properties do not change. Use a tag, or another key.")
            raise Conflict(text % {"key": taken[0]}, code="property_is_set", keys=taken)
        changes["properties"] = {**version.properties, **given}
    for name in SAID:
        if changes.get(name) is not None:
            setattr(version, name, changes[name])
    version.save(update_fields=SAID)
    facts = {"name": version.model.name, "version": version.version}
    edits.note(context, "model.changed", str(version.pk), said_of(version), **facts)
    outbox.hint(f"list:{context.workspace.name}:models")
    return version


def said_of(version: ModelVersion) -> dict[str, Any]:
    """All that `annotate` may overwrite."""
    return {name: getattr(version, name) for name in SAID}


@transaction.atomic
def remove(context: WorkspaceContext, version: ModelVersion) -> None:
    """Remove one version with its files. Its number is not given again."""
    context.require(Role.CONTRIBUTOR).require_own("model", version.pk)
    prefix = version.prefix
    version.delete()
    audit.note(context, "model.removed", f"{version.model.name}:{version.version}")
    outbox.gone(f"list:{context.workspace.name}:models", f"model:{version.model.name}:{version.version}")
    transaction.on_commit(lambda: artifact_store(context.workspace.pk).remove(prefix))


def _columns(facts: Facts) -> dict[str, Any]:
    return {
        "description": facts.description,
        "framework": facts.framework[:64],
        "framework_version": facts.framework_version[:64],
        "tags": dict(facts.tags),
        "properties": dict(facts.properties),
        "datasets": dict(facts.datasets),
        "run_id": facts.run_id,
        "experiment_name": facts.experiment_name[:256],
    }


def _checked(sources: Iterable[Source]) -> list[Source]:
    files: dict[str, Source] = {}
    for path, opened in sources:
        clean = safe(path)
        if not clean or len(clean) > LONGEST:
            raise Invalid(_("%(path)r cannot name a file of a model.") % {"path": path[:80]}, code="bad_path")
        if clean in files:
            raise Invalid(_("The model names the file '%(clean)s' twice.") % {"clean": clean}, code="bad_path")
        files[clean] = (clean, opened)
    if not files:
        raise Unprocessable(_("A model needs at least one file."), code="no_files")
    if len(files) > MOST_FILES:
        raise Unprocessable(
            _("A model may have %(most_files)s files at most; this one has %(count)s.")
            % {"most_files": MOST_FILES, "count": len(files)}
        )
    return list(files.values())


def _copy(workspace: Workspace, store: Root, prefix: str, path: str, opened: Callable[[], BinaryIO]) -> dict[str, Any]:
    key = f"{prefix}/{path}"
    with closing(opened()) as source:
        written = store.write(key, storage.metered(workspace, source))
    storage.note(workspace, written.size)
    state = store.state(key)
    return {"path": path, **written._asdict(), "tag": state[1] if state else ""}


@transaction.atomic
def _number(context: WorkspaceContext, name: str, version: ModelVersion) -> None:
    """Under the lock of the name's row: two at once get two numbers."""
    try:
        with transaction.atomic():
            RegisteredModel.objects.get_or_create(workspace=context.workspace, name=name)
    except IntegrityError:
        pass  # made in the same moment by somebody else
    model = RegisteredModel.objects.select_for_update().get(workspace=context.workspace, name=name)
    model.latest_version += 1
    model.save(update_fields=["latest_version"])
    version.model, version.version = model, model.latest_version
    version.save(force_insert=True)
    context.made("model", version.pk)
    hooks.version_made(context, version)
    once.settle(version)
    audit.note(context, "model.registered", f"{name}:{version.version}")
    outbox.hint(f"list:{context.workspace.name}:models")
