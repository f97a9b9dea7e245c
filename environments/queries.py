"""Reading environments, versions and builds."""

from __future__ import annotations

from django.db.models import F, Prefetch, QuerySet
from django.utils.translation import gettext as _

from core.errors import NotFound
from core.ids import as_key, as_uuid
from environments.models import Environment, EnvironmentBuild, EnvironmentVersion
from workspaces.models import Member, User, Workspace


def environments_in(workspace: Workspace) -> QuerySet[Environment]:
    """All names, each with its newest version as `newest` (a list of at most one)."""
    newest = EnvironmentVersion.objects.filter(version=F("environment__latest_version")).select_related("build")
    rows = Environment.objects.filter(workspace=workspace, latest_version__gt=0)
    return rows.prefetch_related(Prefetch("versions", queryset=newest, to_attr="newest"))


def versions_of(workspace: Workspace, name: str) -> QuerySet[EnvironmentVersion]:
    rows = EnvironmentVersion.objects.filter(environment__workspace=workspace, environment__name=name)
    return rows.select_related("environment", "build")


def version_by_id(workspace: Workspace, version_id: object) -> EnvironmentVersion:
    rows = EnvironmentVersion.objects.select_related("environment", "build")
    found = rows.filter(workspace=workspace, pk=as_key(version_id)).first()
    if found is None:
        raise NotFound(_("There is no such environment in this workspace."))
    return found


def build_in(workspace: Workspace, build_id: object) -> EnvironmentBuild:
    """A build is shared by the whole studio; a workspace sees those that its own versions use."""
    found = EnvironmentBuild.objects.filter(pk=as_key(build_id), versions__workspace=workspace).first()
    if found is None:
        raise NotFound(_("There is no such build in this workspace."))
    return found


def may_watch_build(user: User, key: str) -> bool:
    build = as_uuid(key)
    mine = Member.objects.filter(user=user).values("workspace")
    return build is not None and EnvironmentVersion.objects.filter(build_id=build, workspace__in=mine).exists()
