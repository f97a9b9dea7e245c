"""Modules: the list, and one with its versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from core.errors import NotFound
from core.paging import page_of
from pipelines import queries
from pipelines.models import Module, ModuleVersion
from runs.web.panel_files import command_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

MOST_VERSIONS = 200


@dataclass(frozen=True)
class ModulesPage:
    """What pipelines/modules.html may show."""

    # Each with the name of the version that is meant where none is named, and the count of its versions.
    rows: list[tuple[Module, str, int]]
    next: str | None
    q: str
    topic: str


@dataclass(frozen=True)
class ModulePage:
    """What pipelines/module.html may show."""

    module: Module
    version: ModuleVersion | None
    default: ModuleVersion | None
    versions: list[ModuleVersion]
    definition: dict[str, Any]
    command: str
    program: str
    topic: str


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All modules, newest first."""
    q = request.GET.get("q", "").strip()[:200]
    found = queries.modules_in(context.workspace)
    page = page_of(found.filter(name__icontains=q) if q else found, after=request.GET.get("after"))
    rows = ModuleVersion.objects.filter(module__in=page.items)
    counts = dict(rows.order_by().values_list("module").annotate(Count("pk")))
    newest: dict[UUID, str] = {
        each.module_id: each.version for each in rows.filter(status=Module.Status.ACTIVE).order_by("id")
    }
    facts = ModulesPage(
        [(each, each.default_version or newest.get(each.pk, ""), counts.get(each.pk, 0)) for each in page.items],
        page.next,
        q,
        f"list:{context.workspace.name}:modules",
    )
    return responses.show(request, "pipelines/modules.html", facts, section="pipelines", parts=("rows",))


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, module_id: UUID) -> HttpResponse:
    """One version, the one that is meant where none is named unless the address says which."""
    module = queries.module(context.workspace, module_id)
    versions = list(queries.versions_of(module).order_by("-id")[:MOST_VERSIONS])
    default, asked = queries.default_of(module), request.GET.get("version", "")
    version = next((each for each in versions if each.version == asked), None) if asked else default
    if asked and version is None:
        raise NotFound(_("There is no such version of this module."))
    shown = version or (versions[0] if versions else None)
    definition: dict[str, Any] = shown.definition if shown else {}
    facts = ModulePage(
        module,
        shown,
        default,
        versions,
        definition,
        command_of(definition, {}) if definition else "",
        _program(module, shown),
        f"list:{context.workspace.name}:modules",
    )
    return responses.show(request, "pipelines/module.html", facts, section="pipelines", parts=("module",))


def _program(module: Module, version: ModuleVersion | None) -> str:
    """The lines by which a program uses it."""
    definition = version.definition if version else {}
    words = [f"Module.get(ws, name={module.name!r})"]
    if version is not None:
        words.append(f"version={version.version!r}")
    for argument, ports in (("inputs_map", definition.get("inputs")), ("outputs_map", definition.get("outputs"))):
        if ports:
            words.append(f"{argument}={{{', '.join(repr(each['name']) + ': ...' for each in ports)}}}")
    return f"ModuleStep({', '.join(words)})"
