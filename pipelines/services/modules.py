"""Make modules and publish their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core import once, outbox
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.names import one_line
from core.spec import refusing
from duto.spec.graph import Graph
from pipelines import hooks, queries
from pipelines.models import Module, ModuleVersion
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit, edits

# Kinds of steps that a version may be.
KINDS = ("module", "program")
PORT = {"from": {"datastore": "any", "path": ""}}


@transaction.atomic
def create(context: WorkspaceContext, name: str, description: str = "") -> Module:
    """A new module without versions. Raises Invalid for a bad name, Conflict for one that is taken."""
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    made = Module(workspace=context.workspace, name=_name(name), description=description, created_by=context.user)
    _save(made, _("There is a module '%(name)s' already.") % {"name": made.name})
    once.settle(made)
    context.made("module", made.pk)
    audit.note(context, "module.created", str(made.pk), name=made.name)
    _tell(context.workspace)
    return made


@transaction.atomic
def publish(
    context: WorkspaceContext,
    module: Module,
    definition: Mapping[str, Any],
    *,
    version: str = "",
    description: str = "",
    is_default: bool = False,
) -> ModuleVersion:
    """A version of the module; without a name of its own it gets the next whole number.

    Raises Unprocessable that names every problem of the definition, Conflict for a version that there is.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    locked = Module.objects.select_for_update(no_key=True).get(pk=module.pk)
    frozen = _checked(context.workspace, definition)
    taken = set(ModuleVersion.objects.filter(module=locked).values_list("version", flat=True))
    name = one_line(version) or str(next(each for each in range(1, len(taken) + 2) if str(each) not in taken))
    made = ModuleVersion(
        module=locked,
        version=name,
        description=description,
        definition=frozen,
        snapshot_digest=frozen["snapshot"],
        created_by=context.user,
    )
    facts = {"name": locked.name, "version": name}
    _save(made, _("The module '%(name)s' has a version '%(version)s' already.") % facts)
    once.settle(made)
    context.made("module", made.pk)
    if is_default:
        Module.objects.filter(pk=locked.pk).update(default_version=name)
        locked.default_version = name
    edits.note(context, "module.published", str(locked.pk), state(locked), name=locked.name, version=name)
    _tell(context.workspace)
    return made


def _checked(workspace: Workspace, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition as it is kept: what a step would be made of, checked as one. Raises Unprocessable."""
    inputs, outputs = definition.get("inputs") or [], definition.get("outputs") or []
    ports = [each for each in inputs if isinstance(each, Mapping)]
    step = {
        **definition,
        "id": "module",
        "name": "module",
        "inputs": [{**each, **PORT} for each in ports],
        "outputs": outputs,
        "settings": {"module": "", **(definition.get("settings") or {})},
    }
    if definition.get("kind") not in KINDS:
        raise Unprocessable(
            _("A module is of the kind %(kinds)s, not %(kind)r.")
            % {"kinds": " or ".join(KINDS), "kind": definition.get("kind")},
            code="unknown_kind",
        )
    digest = definition.get("snapshot")
    files = hooks.snapshot_files(workspace, digest) if isinstance(digest, str) else None
    if files is None:
        raise Unprocessable(_("The snapshot of the module has not been uploaded."), code="missing_snapshot")
    with refusing():
        graph = Graph.from_document({"steps": [step]}, {str(digest): files})
    (found,) = graph.to_document()["steps"]
    kept = ("kind", "script", "arguments", "snapshot", "environment", "params", "hash_paths", "allow_reuse")
    return {
        **{name: found[name] for name in kept},
        "inputs": [{"name": each["name"], "mode": each["mode"], **_said_of(each, ports)} for each in found["inputs"]],
        "outputs": [{name: each[name] for name in ("name", "mode", "is_directory")} for each in found["outputs"]],
        "settings": {name: value for name, value in found.get("settings", {}).items() if name != "module"},
        "category": str(definition.get("category") or "")[:255],
    }


def _said_of(port: Mapping[str, Any], given: list[Mapping[str, Any]]) -> dict[str, bool]:
    """What a graph knows nothing of: whether a step may leave the input out."""
    return {"is_optional": any(each.get("name") == port["name"] and each.get("is_optional") is True for each in given)}


@transaction.atomic
def change(context: WorkspaceContext, module: Module, asked: Mapping[str, Any], *, seen: edits.Seen = None) -> Module:
    """Change name, description, status or default version; what is not named stays.

    Raises Invalid, NotFound, Conflict, and PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("module", module.pk)
    locked = Module.objects.select_for_update(no_key=True).get(pk=module.pk)
    edits.require_unchanged(seen, state(locked), context.workspace, locked.pk)
    if asked.get("name") is not None:
        locked.name = _name(asked["name"])
    if asked.get("description") is not None:
        locked.description = asked["description"]
    if asked.get("status") is not None:
        locked.status = asked["status"]
    wanted = asked.get("default_version")
    if wanted is not None:
        if wanted and not ModuleVersion.objects.filter(module=locked, version=wanted).exists():
            raise NotFound(
                _("The module '%(name)s' has no version '%(version)s'.") % {"name": locked.name, "version": wanted}
            )
        locked.default_version = wanted
    _save(locked, _("There is a module '%(name)s' already.") % {"name": locked.name})
    changed = {name: value for name, value in asked.items() if value is not None}
    edits.note(context, "module.changed", str(locked.pk), state(locked), **changed)
    _tell(context.workspace)
    return queries.module(context.workspace, locked.pk)


def state(module: Module) -> dict[str, Any]:
    """All that a change may overwrite."""
    return {name: getattr(module, name) for name in ("name", "description", "status", "default_version")}


def version_state(version: ModuleVersion) -> dict[str, Any]:
    """All that a change of a version may overwrite."""
    return {"status": version.status, "description": version.description}


@transaction.atomic
def change_version(
    context: WorkspaceContext, version: ModuleVersion, asked: Mapping[str, Any], *, seen: edits.Seen = None
) -> ModuleVersion:
    """Change the status or the description of a version. A disabled one runs in no new pipeline.

    Raises PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("module", version.pk)
    locked = ModuleVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
    of, number = version.module_id, version.version
    edits.require_unchanged(seen, version_state(locked), context.workspace, of, version=number)
    changed = {name: asked[name] for name in ("status", "description") if asked.get(name) is not None}
    if changed:
        ModuleVersion.objects.filter(pk=version.pk).update(**changed)
    left = {**version_state(locked), **changed}
    edits.note(context, "module.changed", str(of), left, version=number, **changed)
    _tell(context.workspace)
    return queries.module_version(context.workspace, version.pk)


def _name(text: str) -> str:
    name = one_line(text)
    if not name:
        raise Invalid(_("A module has a name."), code="bad_name")
    return name


def _save(row: Module | ModuleVersion, taken: str) -> None:
    """Raises Conflict where another row has its name."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Conflict(taken, code="exists") from error


def _tell(workspace: Workspace) -> None:
    outbox.hint(f"list:{workspace.name}:modules")
