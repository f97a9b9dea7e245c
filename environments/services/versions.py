"""From what a step says of its environment to a version with a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from core import outbox, sentences
from core.errors import Conflict, Invalid, NotFound
from core.sentences import Kept
from duto.spec import curated
from duto.spec.sentences import said
from environments import definitions
from environments.definitions import Definition
from environments.models import Environment, EnvironmentBuild, EnvironmentVersion
from environments.services import builds
from environments.services.images import base_tag
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit

VERSIONS = EnvironmentVersion.objects.select_related("environment", "build")


@transaction.atomic(savepoint=False)
def resolve(workspace: Workspace, reference: Mapping[str, Any]) -> EnvironmentVersion:
    """The version that a reference `{"name", "version"}` or a definition means, with its build asked for.

    A definition with a name gets the next version when it is not one of that name's already. `build` is None only
    where the packages are the user's affair. Raises NotFound, Invalid or Unprocessable.
    """
    if "python" in reference:
        version = _version_of(workspace, definitions.read(reference))
    else:
        version = find(workspace, str(reference.get("name") or ""), reference.get("version"))
    return with_build(version)


def look(workspace: Workspace, reference: Mapping[str, Any]) -> EnvironmentVersion:
    """What `resolve` would give, without writing anything: a version that there is not yet is in memory only.

    Its build is the one that is under way or ready, None where one would be asked for. Raises as `resolve`.
    """
    if "python" in reference:
        version = _version_of(workspace, definitions.read(reference), writes=False)
    else:
        version = find(workspace, str(reference.get("name") or ""), reference.get("version"))
    is_failed = version.build is not None and version.build.status == EnvironmentBuild.Status.FAILED
    if not version.definition["python"]["user_managed"] and (version.build is None or is_failed):
        version.build = builds.live_build(version.recipe_digest)
    return version


@transaction.atomic
def register(context: WorkspaceContext, definition: Mapping[str, Any]) -> EnvironmentVersion:
    """Keep a definition under its name; the newest one again is the same version. Nothing is built yet.

    An older definition of the name is a new version like any other, so that the newest is what was registered last.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    read = definitions.read(definition)
    name = read.document["name"]
    if not name:
        raise Invalid(_("An environment needs a name to be registered."), code="bad_name")
    if stands_in(context.workspace, name):
        raise Conflict(
            _("'%(name)s' is one of Azure's curated environments. Register yours under another name.") % {"name": name}
        )
    if Environment.objects.filter(workspace=context.workspace, name=name, is_curated=True).exists():
        raise Conflict(
            _("'%(name)s' is curated and cannot be changed. Register a copy under another name.") % {"name": name}
        )
    version = add_version(context.workspace, _environment(context.workspace, name), read, newest_only=True)
    audit.note(context, "environment.registered", version.label)
    return version


def find(workspace: Workspace, name: str, version: object = None) -> EnvironmentVersion:
    """A registered version; without a number, with `latest` or `Autosave`, the newest. Raises NotFound.

    By a name of Azure's curated environments the one that stands in for it, whatever number it has there.
    """
    if instead := stands_in(workspace, name):
        name, version = instead, None
    versions = VERSIONS.filter(environment__workspace=workspace, environment__name=name)
    if version not in (None, "", "latest", "Autosave"):
        versions = versions.filter(version=_number(version, name))
    found = versions.order_by("-version").first()
    if found is None:
        raise _missing(workspace, name, version)
    return found


def stands_in(workspace: Workspace, name: str) -> str:
    """The curated environment that this name of Azure's means here; empty for one that the workspace knows itself."""
    instead = curated.nearest(name)
    if instead is None or Environment.objects.filter(workspace=workspace, name=name).exists():
        return ""
    return instead


@transaction.atomic(savepoint=False)
def with_build(version: EnvironmentVersion) -> EnvironmentVersion:
    """The same version, with a build that is under way or ready: a failed one is tried again."""
    if version.definition["python"]["user_managed"]:
        return version
    if version.build is None or version.build.status == EnvironmentBuild.Status.FAILED:
        version.build = builds.queue_build(version.recipe_digest, definitions.build_of(version.definition))
        version.save(update_fields=["build"])
    return version


def warnings_of(version: EnvironmentVersion | None, reference: Mapping[str, Any] | None = None) -> list[Kept]:
    """What whoever runs in it is to know: that it stands in for the one that the step's `reference` names, that it has
    another Python than was asked for, and what of the lists is not used."""
    if version is None:
        return []
    return [*notes_of(version, reference), *(version.build.warnings if version.build else []), *version.unused]


def notes_of(version: EnvironmentVersion | None, reference: Mapping[str, Any] | None) -> list[Kept]:
    """That the version stands in for another of Azure's, where a step names that one."""
    name = str((reference or {}).get("name") or "")
    instead = curated.nearest(name)
    if version is None or instead is None or version.environment is None or version.environment.name != instead:
        return []
    return [stand_in(name, instead)]


def stand_in(name: str, instead: str) -> Kept:
    """What is said where one of Azure's environments was asked for."""
    return sentences.keep(said("curated_instead", asked=name, used=instead, has=curated.HEADLINES[instead]))


def _version_of(workspace: Workspace, definition: Definition, *, writes: bool = True) -> EnvironmentVersion:
    name = definition.document["name"]
    if stands_in(workspace, name):  # a copy that was changed without renaming it, as below
        name = ""
    make = _environment if writes else _environment_in_memory
    environment = make(workspace, name) if name else None
    known = VERSIONS.filter(workspace=workspace, environment=environment, digest=definition.digest)
    if environment is not None and environment.is_curated and not known.exists():
        # A program changed its copy of a curated environment without renaming it: it gets what it asked for.
        environment = None
        known = VERSIONS.filter(workspace=workspace, environment=None, digest=definition.digest)
    found = known.order_by("-version").first()
    if found is None and not writes:
        return new_version(workspace, environment, environment.latest_version + 1 if environment else 0, definition)
    return found or add_version(workspace, environment, definition)


def add_version(
    workspace: Workspace, environment: Environment | None, definition: Definition, *, newest_only: bool = False
) -> EnvironmentVersion:
    """The next version under a name, or an anonymous one.

    One that the name has already is given again; with `newest_only` only if it is the newest.
    """
    number = 0
    if environment is not None:
        # The row is the lock of the numbering: two submits of one change must not both take the next number.
        locked = Environment.objects.select_for_update().get(pk=environment.pk)
        again = VERSIONS.filter(environment=locked, digest=definition.digest, recipe_digest=definition.recipe_digest)
        if newest_only:
            again = again.filter(version=locked.latest_version)
        if (found := again.order_by("-version").first()) is not None:
            return found
        number = locked.latest_version + 1
        Environment.objects.filter(pk=locked.pk).update(latest_version=number)
        environment.latest_version = number
    outbox.hint(f"list:{workspace.name}:environments")
    made = new_version(workspace, environment, number, definition)
    made.save(force_insert=True)
    return made


def new_version(
    workspace: Workspace, environment: Environment | None, number: int, definition: Definition
) -> EnvironmentVersion:
    """In memory; `number` is 0 without a name."""
    return EnvironmentVersion(
        workspace=workspace, environment=environment, version=number, definition=definition.document,
        digest=definition.digest, recipe_digest=definition.recipe_digest, base_tag=base_tag(definition.document) or "",
    )  # fmt: skip


def _environment(workspace: Workspace, name: str) -> Environment:
    try:
        with transaction.atomic():
            return Environment.objects.get_or_create(workspace=workspace, name=name)[0]
    except IntegrityError:
        return Environment.objects.get(workspace=workspace, name=name)


def _environment_in_memory(workspace: Workspace, name: str) -> Environment:
    found = Environment.objects.filter(workspace=workspace, name=name).first()
    return found or Environment(workspace=workspace, name=name)


def _number(version: object, name: str) -> int:
    try:
        return int(str(version))
    except ValueError as error:
        raise NotFound(
            _("Versions of an environment are numbers; '%(name)s' has no version %(version)r.")
            % {"name": name, "version": version}
        ) from error


def _missing(workspace: Workspace, name: str, version: object) -> NotFound:
    known = Environment.objects.filter(workspace=workspace)
    if version is not None and known.filter(name=name).exists():
        return NotFound(
            _("The environment '%(name)s' has no version %(version)s.") % {"name": name, "version": version},
            code="unknown_environment",
            name=name,
        )
    names = ", ".join(known.order_by("name").values_list("name", flat=True)[:10]) or "none yet"
    return NotFound(
        _("There is no environment '%(name)s' in workspace '%(workspace)s'. There are: %(names)s.")
        % {"name": name, "workspace": workspace.name, "names": names},
        code="unknown_environment",
        name=name,
    )
