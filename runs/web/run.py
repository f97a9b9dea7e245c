"""The run page: header, failure, graph, timeline, table, and the panel of the chosen step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.addresses import studio_address
from core.text import isolated
from duto.spec.secrets import hidden
from runs.models import Run
from runs.queries.folding import FOLD_ABOVE
from runs.queries.graph import graph_document
from runs.queries.graphs import parsed
from runs.services.agent_reports import launch_document as launches
from runs.web import available_actions
from runs.web.failure import Failure, failure_of
from runs.web.panel import Panel, panel_of
from runs.web.rows import givers, who
from runs.web.tree import StepRow, Tree, root_of
from runs.web.windows import Window, window
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_page

VIEWS = {"graph": _("Graph"), "timeline": _("Timeline"), "table": _("Table")}
PARTS = ("head", "stage", "counts", "table", "panel", "tab", "moving")
# So many steps are a page of the table.
ROWS = 300
# Whoever resumes a run more often than this looks at the newest.
RESUMES = 3
# So many runs above a child run are named.
LEVELS = 20


@dataclass(frozen=True)
class Tag:
    """A tag in words, and where the runs that have it stand."""

    text: str
    url: str


@dataclass(frozen=True)
class RunPage:
    """What runs/run.html may show."""

    tree: Tree
    view: str
    views: list[tuple[str, Any]]
    by: str
    # All of them; the header shows the first ones and lists the others.
    parameters: list[tuple[str, str]]
    tags: list[Tag]
    failure: Failure | None
    graph: dict[str, Any] | None
    panel: Panel | None
    # The runs above a child run, with their addresses.
    above: list[tuple[str, str]]
    actions: available_actions.AvailableActions
    selected: str
    resumed_by: list[Run]
    rows: list[StepRow]
    window: Window
    # By which a command line finds this studio and workspace.
    launch_options: str

    @property
    def launch_line(self) -> str:
        """The line that starts the step of the panel on one's own machine; empty where it cannot be started there."""
        return self._launch_line(self.panel.step if self.panel else None)

    @property
    def failure_launch_line(self) -> str:
        """The same of the step that failed first."""
        return self._launch_line(self.tree.row(self.failure.node) if self.failure else None)

    def _launch_line(self, step: StepRow | None) -> str:
        if step is None or not launches.is_possible(str(self.tree.spec(step.node).get("kind", "python_script"))):
            return ""
        return f"duto debug {step.run.pk} {self.launch_options}"

    @property
    def run(self) -> Run:
        return self.tree.root

    @property
    def name(self) -> str:
        return name_of(self.run)

    @property
    def title(self) -> str:
        return titled(self.run)

    @property
    def version(self) -> int:
        """Of the whole tree, which tells of a child run, too."""
        return int(getattr(self.run, "root_version", self.run.version))


@workspace_page()
def page(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    """The whole page, or parts of it: `head`, `stage`, `counts`, `table`, `panel`, `tab`."""
    run = root_of(context, run_id)
    if run.pk != run.graph_id and hasattr(run, "step"):
        # A step has no page of its own: its place is in the panel of its pipeline.
        return HttpResponseRedirect(_step_address(context, run))
    wanted = set(responses.parts_of(request)) & set(PARTS) or set(PARTS)
    tree = Tree(run)
    chosen = "" if request.GET.get("of") == "run" else tree.chosen(request.GET.get("step", ""))
    view = _view(request.GET.get("view", ""), tree)
    shown = _window(request.GET.get("rows"), tree, request.GET.get("step", ""))
    wants_rows = view == "table" and not wanted.isdisjoint({"stage", "table"})
    draws = view != "table" and "stage" in wanted and tree.total
    facts = RunPage(
        tree=tree,
        view=view,
        views=list(VIEWS.items()) if tree.total else [],
        by=who(run, givers([run])),
        parameters=parameters_of(run),
        tags=tags_of(context, run),
        failure=failure_of(tree),
        graph=graph_document(run, request.GET.getlist("open"), chosen) if draws else None,
        above=above(context, run) if "head" in wanted else [],
        panel=panel_of(context, tree, request.GET) if not wanted.isdisjoint({"panel", "tab", "moving"}) else None,
        actions=available_actions.actions_of(context, tree),
        selected=chosen,
        resumed_by=resumed_by(run) if "head" in wanted else [],
        rows=tree.rows(list(tree.states)[shown.start : shown.end]) if wants_rows else [],
        window=shown,
        launch_options=f"--studio {studio_address(request)} --workspace {context.workspace.name}",
    )
    return responses.show(request, "runs/run.html", facts, section="runs", parts=PARTS)


def parameters_of(run: Run) -> list[tuple[str, str]]:
    """What the run runs with: what it was given, else the defaults of its pipeline."""
    declared = {each.name: each.default for each in parsed(run.pk).graph.parameters}
    return [(name, said(value)) for name, value in hidden({**declared, **run.parameters}).items()]


def tags_of(context: WorkspaceContext, run: Run) -> list[Tag]:
    runs = reverse("runs:list", args=[context.workspace.name])
    return [
        Tag(
            text=f"{key}: {value}" if value else key,
            url=f"{runs}?{urlencode({'tag': f'{key}={value}' if value else key})}",
        )
        for key, value in run.tags.items()
    ]


def said(value: Any) -> str:
    """A parameter's value: a text as it is, else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def resumed_by(run: Run) -> list[Run]:
    """The newest runs that resume this one."""
    rows = Run.objects.filter(resumed_from=run.pk, workspace=run.workspace_id).only("id", "number")
    return list(rows.order_by("-id")[:RESUMES])


def _view(asked: str, tree: Tree) -> str:
    if asked in VIEWS:
        return asked
    return "timeline" if tree.total > FOLD_ABOVE else "graph"


def _window(asked: str | None, tree: Tree, step: str) -> Window:
    """The page of rows that is asked for, else the one with the step of the address."""
    if asked is None and step in tree.states:
        asked = str(list(tree.states).index(step))
    return window("rows", asked, tree.total, ROWS)


def name_of(run: Run) -> str:
    """What the page calls it; a child run that its program gave no name has the end of its id."""
    if hasattr(run, "step") and not run.is_root:
        return run.step.name
    return run.display_name or (run.experiment.name if run.is_root else str(run.pk)[-8:])


def titled(run: Run) -> str:
    return f"{isolated(name_of(run))} #{run.number}" if run.is_root else name_of(run)


def above(context: WorkspaceContext, run: Run) -> list[tuple[str, str]]:
    """The runs above a child run, from the root on: one query a level."""
    found: list[tuple[str, str]] = []
    rows = Run.objects.select_related("experiment", "step").defer("graph")
    while not run.is_root and run.parent_id and len(found) < LEVELS:
        run = rows.get(pk=run.parent_id)
        address = reverse("runs:run", args=[context.workspace.name, run.pk])
        if run.pk != run.graph_id and hasattr(run, "step"):
            address = _step_address(context, run)
        found.append((titled(run), address))
    return found[::-1]


def _step_address(context: WorkspaceContext, run: Run) -> str:
    address = reverse("runs:run", args=[context.workspace.name, run.root_id])
    return f"{address}?{urlencode({'step': run.step.node_id})}"
