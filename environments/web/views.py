"""Environments to look at: names, versions, locks, build logs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from core.errors import NotFound
from core.paging import page_of
from core.serving import serve
from duto.spec import curated, r
from environments import lockfile, queries, stored_messages
from environments.models import Environment, EnvironmentBuild, EnvironmentVersion
from environments.services import logs
from environments.services import versions as service
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

MOST_VERSIONS = 200


@dataclass(frozen=True)
class Row:
    """One name of the list with its newest version."""

    environment: Environment
    newest: EnvironmentVersion | None

    @property
    def packages(self) -> list[str]:
        return packages_of(self.newest) if self.newest else []


@dataclass(frozen=True)
class EnvironmentsPage:
    """What environments/list.html may show."""

    rows: list[Row]
    next: str | None
    q: str
    topic: str


@dataclass(frozen=True)
class EnvironmentPage:
    """What environments/environment.html may show."""

    version: EnvironmentVersion
    versions: list[EnvironmentVersion]
    packages: list[str]
    channels: list[str]
    locked: list[str]
    topic: str
    note: str

    @property
    def azures(self) -> tuple[str, ...]:
        """Environments of Azure's that it stands in for."""
        own = self.version.environment
        return curated.azures(own.name) if own and own.is_curated else ()

    @property
    def constraints(self) -> list[str]:
        return list((self.version.definition.get("python") or {}).get("constraints") or [])

    @property
    def unused(self) -> list[str]:
        """What of the program's lists the studio does not use."""
        return self.version.localized_unused

    @property
    def build(self) -> EnvironmentBuild | None:
        return self.version.build


def packages_of(version: EnvironmentVersion) -> list[str]:
    """All that was asked for, as it was written: of conda first, if there is any."""
    python = version.definition.get("python") or {}
    conda = (python.get("conda") or {}).get("packages", [])
    return [*conda, *(python.get("packages") or []), *r.shown(version.definition.get("r"))]


def channels_of(version: EnvironmentVersion) -> list[str]:
    """The conda channels; empty where everything is PyPI's."""
    return list(((version.definition.get("python") or {}).get("conda") or {}).get("channels") or [])


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All names, each with the state of its newest version."""
    q = request.GET.get("q", "").strip()[:200]
    found = queries.environments_in(context.workspace)
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    rows = [Row(each, next(iter(getattr(each, "newest", [])), None)) for each in page.items]
    facts = EnvironmentsPage(rows, page.next, q, f"list:{context.workspace.name}:environments")
    return responses.show(request, "environments/list.html", facts, section="environments", parts=("rows",))


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One version, the newest unless the address says which; by a name of Azure's what stands in for it."""
    asked_for, name = name, service.stands_in(context.workspace, name) or name
    versions = list(queries.versions_of(context.workspace, name).order_by("-version")[:MOST_VERSIONS])
    asked = request.GET.get("version", "")
    version = next(
        (each for each in versions if str(each.version) == asked), versions[0] if versions and not asked else None
    )
    if version is None:
        raise NotFound(_("There is no such environment or version in this workspace."))
    topics = f"list:{context.workspace.name}:environments" + (f" build:{version.build_id}" if version.build_id else "")
    lines = lockfile.pinned(version.build.lock) if version.build else []
    note = "".join(stored_messages.localized(each) for each in service.notes_of(version, {"name": asked_for}))
    page = EnvironmentPage(version, versions, packages_of(version), channels_of(version), lines, topics, note)
    return responses.show(request, "environments/environment.html", page, section="environments", parts=("state",))


@workspace_page()
def lock(request: HttpRequest, context: WorkspaceContext, build_id: UUID) -> HttpResponse:
    """The lock as a file that installers take."""
    found = queries.build_in(context.workspace, build_id)
    return _file(found.lock, "requirements.lock.txt")


@workspace_page()
def build_log(request: HttpRequest, context: WorkspaceContext, build_id: UUID) -> HttpResponseBase:
    """The build's log as a file."""
    found = queries.build_in(context.workspace, build_id)
    return serve(request, logs.reader(found), found.log_size, "build.log", "text/plain; charset=utf-8", as_file=True)


def _file(text: str, name: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
