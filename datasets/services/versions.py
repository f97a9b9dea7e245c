"""Datasets are saved here: an immutable version under a name, or an anonymous one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from core import once, outbox
from core.clock import now
from core.errors import Conflict, NotFound
from core.ids import as_key
from core.spec import refusing
from datasets import definitions, hooks
from datasets.models import Dataset, DatasetVersion
from datasets.services import fetching, files, inspection
from duto.spec.names import check_name
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit, edits

VERSIONS = DatasetVersion.objects.select_related("dataset", "workspace")
# DatasetVersion.is_usable, for the database.
USABLE = Q(status=DatasetVersion.Status.READY) | Q(file_count__isnull=False)


def save(
    context: WorkspaceContext,
    name: str | None,
    kind: str,
    definition: Mapping[str, Any],
    description: str = "",
    tags: Mapping[str, Any] | None = None,
    create_new_version: bool = False,
    *,
    validate: bool = True,
    known: Mapping[str, int] | None = None,
) -> DatasetVersion:
    """Save a definition. The newest one of a name again, or one without a name again, is the same version.

    An older definition of the name is a new version like any other, so that the newest is what was saved last.

    With web addresses among its sources the version is `fetching` until a worker has them, whatever `validate` says;
    a large table is until a worker has looked through it. With `known` (`file_count`, `size`) nobody waits: the version
    can be used at once, and a worker looks through a table.
    Raises Invalid for a bad definition, NotFound for an unknown datastore, Unprocessable for a path without a match
    or a table that is none, Conflict for another definition under a name that is taken.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    if name is not None:
        with refusing():
            check_name("dataset", name)
    normal = definitions.read(kind, definition)
    is_later, facts = (False, dict(known)) if known else _looked(context.workspace, kind, normal, validate)
    status = DatasetVersion.Status.FETCHING if is_later else DatasetVersion.Status.READY
    # Looking may read for long, so no transaction is open before here.
    with transaction.atomic():
        version = _stored(context, name, kind, normal, create_new_version, {
            "description": description, "tags": dict(tags or {}), "created_by": context.user, "status": status,
            "asked_at": now() if is_later else None, **facts,
        })  # fmt: skip
        once.settle(version)
        if known:
            DatasetVersion.objects.filter(pk=version.pk).update(**facts)
        if (is_later and not _is_known(version, facts)) or (known and kind == Dataset.Kind.TABULAR):
            fetching.ask(version)
        elif not is_later:
            _refresh(version, facts)
        outbox.hint(f"list:{context.workspace.name}:datasets")
    return version


def known_of(version: DatasetVersion) -> dict[str, int] | None:
    """What `save()` may take as known of the same definition under another name; None where a worker has to fetch it anew."""
    if inspection.fetched_of(version.definition) or version.file_count is None:
        return None
    return {"file_count": version.file_count, "size": version.size or 0}


def get_version(workspace: Workspace, version_id: object) -> DatasetVersion:
    """A version by its id. Raises NotFound."""
    found = VERSIONS.filter(workspace=workspace, pk=as_key(version_id)).first()
    if found is None:
        raise NotFound(
            _("There is no dataset with the id '%(version_id)s' in workspace '%(workspace)s'.")
            % {"version_id": version_id, "workspace": workspace.name},
            code="unknown_dataset",
        )
    return found


def find_version(workspace: Workspace, name: str, version: object = "latest") -> DatasetVersion:
    """A version by name and number, `latest` for the newest that can be used, if there is one. Raises NotFound."""
    versions = VERSIONS.filter(dataset__workspace=workspace, dataset__name=name, dataset__archived_at__isnull=True)
    text = str(version)
    if text != "latest":
        versions = versions.filter(version=int(text)) if text.isdecimal() and len(text) < 9 else versions.none()
    found = _newest_first(versions).first()
    if found is None:
        text = _("There is no dataset '%(name)s' in workspace '%(workspace)s'.")
        if text != "latest":
            text = _("There is no dataset '%(name)s' in version %(version)s in workspace '%(workspace)s'.")
        raise NotFound(
            text % {"name": name, "version": version, "workspace": workspace.name},
            code="unknown_dataset",
            name=name,
        )
    return found


@transaction.atomic
def annotate(
    context: WorkspaceContext,
    version_id: object,
    *,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    seen: edits.Seen = None,
) -> DatasetVersion:
    """Change what is only said about a version; what is said of the newest is said of its name in lists.

    Raises PreconditionFailed where that is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR)
    DatasetVersion.objects.select_for_update(no_key=True).filter(pk=as_key(version_id)).first()
    version = get_version(context.workspace, version_id)
    context.require_own("dataset version", version.pk)
    edits.require_unchanged(seen, said_of(version), context.workspace, version.pk)
    if description is not None:
        version.description = description
    if tags is not None:
        version.tags = dict(tags)
    version.save(update_fields=["description", "tags"])
    name = version.dataset.name if version.dataset else ""
    edits.note(context, "dataset.changed", str(version.pk), said_of(version), name=name)
    if description is not None and version.dataset is not None:
        newest = Dataset.objects.filter(pk=version.dataset.pk, latest_version=version.version)
        newest.update(description=description)
    outbox.hint(f"list:{context.workspace.name}:datasets")
    return version


def said_of(version: DatasetVersion) -> dict[str, Any]:
    """All that `annotate` may overwrite."""
    return {"description": version.description, "tags": version.tags}


@transaction.atomic
def unregister(context: WorkspaceContext, name: str) -> None:
    """Take a name out of the lists. Its versions stay for the runs that used them, and so do the data."""
    context.require(Role.CONTRIBUTOR)
    dataset = Dataset.objects.filter(workspace=context.workspace, name=name, archived_at__isnull=True)
    if (found := dataset.first()) is not None:
        context.require_own("dataset version", *found.versions.values_list("id", flat=True))
    if not dataset.update(archived_at=now()):
        raise NotFound(
            _("There is no dataset '%(name)s' in workspace '%(workspace)s'.")
            % {"name": name, "workspace": context.workspace.name},
            code="unknown_dataset",
        )
    audit.note(context, "dataset.unregistered", name)
    outbox.gone(f"list:{context.workspace.name}:datasets", f"dataset:{name}")


def _looked(workspace: Workspace, kind: str, definition: Mapping[str, Any], validate: bool) -> tuple[bool, Any]:
    """Whether a worker looks at it, and what is known of it already. Raises as `save()` does."""
    if inspection.fetched_of(definition):
        inspection.check(workspace, definition)
        return True, {}
    if not validate:
        return False, {}
    found = files.find(workspace, definition["sources"])
    if inspection.is_long(kind, definition, found):
        return True, {"content_fingerprint": files.fingerprint(found)}
    return False, inspection.look(workspace, kind, definition, found)


def _is_known(version: DatasetVersion, facts: Mapping[str, Any]) -> bool:
    """Whether the same files were looked through before."""
    fingerprint = facts.get("content_fingerprint")
    is_ready = version.status == DatasetVersion.Status.READY and version.profile is not None
    return bool(fingerprint) and is_ready and version.content_fingerprint == fingerprint


def _refresh(version: DatasetVersion, facts: Mapping[str, Any]) -> None:
    """A version that was there before is told what was found now."""
    if "content_fingerprint" in facts and version.content_fingerprint != facts["content_fingerprint"]:
        DatasetVersion.objects.filter(pk=version.pk).update(**facts)
        for key, value in facts.items():
            setattr(version, key, value)


def _stored(
    context: WorkspaceContext,
    name: str | None,
    kind: str,
    definition: dict[str, Any],
    is_new_wanted: bool,
    fields: dict[str, Any],
) -> DatasetVersion:
    digest = definitions.digest_of(kind, definition)
    dataset, is_back = _locked(context.workspace, name, kind) if name is not None else (None, False)
    known = VERSIONS.filter(workspace=context.workspace, dataset=dataset, digest=digest).order_by("-version")
    if dataset is not None:
        known = known.filter(version=dataset.latest_version)
    if (found := known.first()) is not None:
        return found
    number = 0
    if dataset is not None:
        number = _next_number(dataset, kind, is_new_wanted or is_back)
        dataset.description = fields["description"] or dataset.description
        dataset.latest_version = number
        dataset.save(update_fields=["kind", "description", "latest_version"])
        audit.note(context, "dataset.registered", f"{name}:{number}")
    version = DatasetVersion.objects.create(
        workspace=context.workspace, dataset=dataset, version=number, kind=kind, definition=definition, digest=digest,
        **fields,
    )  # fmt: skip
    context.made("dataset version", version.pk)
    if dataset is not None:
        hooks.version_made(context, version)
    return version


def _newest_first(versions: QuerySet[DatasetVersion]) -> QuerySet[DatasetVersion]:
    """What can be used before what is only being fetched."""
    return versions.order_by(Case(When(USABLE, then=Value(0)), default=Value(1)), "-version")


def _locked(workspace: Workspace, name: str, kind: str) -> tuple[Dataset, bool]:
    """The row of the name, locked: its number must not be given twice; and whether it comes back from the archive."""
    try:
        with transaction.atomic():
            Dataset.objects.get_or_create(workspace=workspace, name=name, defaults={"kind": kind})
    except IntegrityError:
        pass  # made in the same moment by somebody else
    dataset = Dataset.objects.select_for_update().get(workspace=workspace, name=name)
    was_archived = dataset.archived_at is not None
    if was_archived:
        dataset.archived_at = None
        dataset.save(update_fields=["archived_at"])
    return dataset, was_archived


def _next_number(dataset: Dataset, kind: str, is_new_wanted: bool) -> int:
    failed = DatasetVersion.Status.FAILED
    if dataset.latest_version and not dataset.versions.exclude(status=failed, file_count__isnull=True).exists():
        # What was never there takes no name from anybody: a wrong address is put right under the same one.
        dataset.kind = kind
        return dataset.latest_version + 1
    if dataset.latest_version and dataset.kind != kind:
        raise Conflict(
            _("The dataset '%(dataset)s' is one of kind '%(kind)s'. Choose another name.")
            % {"dataset": dataset.name, "kind": dataset.kind},
            code="kind_differs",
        )
    if dataset.latest_version and not is_new_wanted:
        raise Conflict(
            _(
                "There is a dataset '%(dataset)s' with another definition. Ask for a new version, or choose another name."
            )
            % {"dataset": dataset.name},
            code="exists",
            version=dataset.latest_version,
        )
    return dataset.latest_version + 1
