"""Runs: submit, find, look at, change, end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import paging
from core.errors import Invalid
from runs.api import serializers as s
from runs.api.base import PAGED, RunView, page_of, query
from runs.models import Run, RunWords
from runs.queries import runs as run_queries
from runs.queries.deletion import preview
from runs.queries.documents import nodes_of, run_document, run_documents, status_document, step_documents
from runs.queries.graph import graph_document
from runs.services.maintenance import delete_run
from runs.services.orchestration.cancel import cancel_run
from runs.services.orchestration.completion import complete_run, fail_run
from runs.services.scheduling.waiting import reasons_of
from runs.services.submission import run_metadata
from runs.services.submission.resume import check as resumable
from runs.services.submission.submit import resubmit, start_child, start_children, start_interactive, submit_run
from workspaces.models import Role
from workspaces.scopes import Act

READ = Role.READER
WRITE = Role.CONTRIBUTOR
FILTERS = [
    query("experiment", "Name of an experiment."),
    query("status", "One or more stored states, separated by commas."),
    query("kind", "One or more kinds, separated by commas."),
    query("parent", "Id of a run: its children instead of root runs.", UUID),
    query("tags", "`key` or `key=value`; may repeat."),
    query("properties", "`key` or `key=value`; may repeat."),
    query("created_after", "A time.", datetime),
    query("pipeline", "The id of a published pipeline: its runs.", UUID),
    query("q", "Part of a name, `#number` or an id."),
    query("archived", "`1` for archived runs.", bool),
]


class RunsView(RunView):
    needs = {"get": READ, "post": WRITE}
    acts = {"post": Act.OWN}

    @extend_schema(operation_id="runs_list", parameters=[*FILTERS, *PAGED], responses=s.RunPage)
    def get(self, request: Request) -> Response:
        """Runs, newest first."""
        asked = replace(run_queries.read(request.query_params), archived=self.flag("archived"))
        rows = run_queries.find(self.context.workspace, asked)
        page = self.paged(rows, lambda run: run)
        page.data["items"] = run_documents(page.data["items"], workspace=self.context.workspace.name)
        return page

    @extend_schema(operation_id="runs_submit", request=s.RunIn, responses={201: s.RunOut})
    def post(self, request: Request) -> Response:
        """Submit a run. A script run is a graph of one step; an interactive run has no graph and stays open."""
        return self.made(self._submitted(self.asked(s.RunIn)))

    def repeated(self, made: Run) -> Response:
        return self.made(made)

    def _submitted(self, asked: dict[str, Any]) -> Run:
        words: RunWords = {
            "display_name": asked["display_name"] or "",
            "description": asked["description"] or "",
            # Given at the start or later, a tag and a property obey the same rules.
            "tags": run_metadata.merged({}, asked["tags"]),
            "properties": run_metadata.added({}, asked["properties"]),
            "trigger": {"kind": source_of(self.request), "name": self.context.actor},
        }
        resumed = self._resumed(asked)
        if asked["parent"]:
            return start_child(self.context, self.own_run(asked["parent"]), **words)
        if asked["kind"] == Run.Kind.INTERACTIVE:
            return start_interactive(self.context, experiment=asked["experiment"], **words)
        if "graph" not in asked:
            raise Invalid("A pipeline or script run needs a 'graph'.", code="no_graph")
        return submit_run(
            self.context,
            experiment=asked["experiment"],
            graph=asked["graph"],
            kind=asked["kind"],
            parameters=asked["parameters"],
            regenerate_outputs=asked["regenerate_outputs"],
            continue_on_step_failure=asked["continue_on_step_failure"],
            priority=asked["priority"],
            resumed_from=resumed,
            **words,
        )

    def _resumed(self, asked: dict[str, Any]) -> Run | None:
        """The run whose finished steps are adopted, when one is named."""
        if not asked["resume_from"]:
            return None
        if asked["parent"] or asked["kind"] != Run.Kind.PIPELINE:
            raise Invalid("Only a pipeline run can resume another.", code="not_resumable")
        return resumable(self.run(asked["resume_from"]))


def source_of(request: Request) -> str:
    """What kind of caller this is, for people who ask who started a run."""
    if request.auth is None:
        return "page"
    return "sdk" if request.headers.get("User-Agent", "").startswith("duto") else "rest"


class RunDetailView(RunView):
    needs = {"get": READ, "patch": WRITE, "delete": WRITE}
    acts = {"patch": Act.OWN, "delete": Act.OWN}
    for_endpoint_tokens = frozenset({"get"})

    @extend_schema(
        operation_id="run",
        parameters=[query("graph", "`0` leaves the graph out, which may be large and never changes.", bool)],
        responses=s.RunOut,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """One run. The token of an endpoint gets of the runs that it started how far they are (docs/endpoints.md)."""
        if self.context.endpoint is not None:
            return Response(status_document(self.run(id, graph=False)))
        whole = self.flag("graph", default=True)
        return Response(run_document(self.run(id, graph=whole), reasons=reasons_of, graph=whole))

    @extend_schema(operation_id="run_change", request=s.RunChange, responses=s.RunOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change words, tags and properties. A tag that is null is removed; properties are added, never changed."""
        return Response(
            self.serialize(run_metadata.change(self.context, self.run(id, graph=False), **self.asked(s.RunChange)))
        )

    @extend_schema(operation_id="run_delete", responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Delete a run that is over, with its steps and all that they kept."""
        delete_run.delete(self.context, self.run(id, graph=False))
        return Response(status=204)


class DeletePreviewView(RunView):
    needs = {"get": READ}

    @extend_schema(operation_id="run_delete_preview", responses=s.DeletePreview)
    def get(self, request: Request, id: UUID) -> Response:
        """What deleting would free and break."""
        return Response(preview(self.run(id, graph=False)).as_document())


class CancelView(RunView):
    needs = {"post": WRITE}
    acts = {"post": Act.OWN}
    # Canceling again does nothing more.
    keeps_keys = False

    @extend_schema(operation_id="run_cancel", request=None, responses=s.RunOut)
    def post(self, request: Request, id: UUID) -> Response:
        """Ask all that is open of the run to end. What has ended stays."""
        return Response(self.serialize(cancel_run(self.context, self.run(id, graph=False))))


class CompleteView(RunView):
    needs = {"post": WRITE}
    acts = {"post": Act.OWN}

    @extend_schema(operation_id="run_complete", request=None, responses=s.RunOut)
    def post(self, request: Request, id: UUID) -> Response:
        """End an interactive run well. What has a script ends with that."""
        return Response(self.serialize(complete_run(self.own_run(id))))


class FailView(RunView):
    needs = {"post": WRITE}
    acts = {"post": Act.OWN}

    @extend_schema(operation_id="run_fail", request=s.FailIn, responses=s.RunOut)
    def post(self, request: Request, id: UUID) -> Response:
        """End an interactive run as failed. A step that runs is failed when its script ends, however well that ends."""
        asked = self.asked(s.FailIn)
        return Response(
            self.serialize(fail_run(self.own_run(id), message=asked["message"] or "", code=asked["code"] or ""))
        )


class ResubmitView(RunView):
    needs = {"post": WRITE}
    acts = {"post": Act.SUBMIT}

    @extend_schema(operation_id="run_resubmit", request=s.ResubmitIn, responses={201: s.RunOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Run the same graph again, with the same parameters or changed ones."""
        run = self.run(id)
        if not run.graph:
            raise Invalid("Only a pipeline or script run can be submitted again. Name the run, not one of its steps.")
        return self.made(resubmit(self.context, run, **self.asked(s.ResubmitIn)))

    def repeated(self, made: Run) -> Response:
        return self.made(made)


class StepsView(RunView):
    needs = {"get": READ}
    for_endpoint_tokens = frozenset({"get"})

    @extend_schema(operation_id="run_steps", parameters=PAGED, responses=s.RunPage)
    def get(self, request: Request, id: UUID) -> Response:
        """The step runs of a pipeline run, in the order of its graph, 500 a page; a script run is its own step."""
        root = self.run(id, graph=False)
        nodes = nodes_of(root)
        some, following = paging.part_of(nodes, **page_of(request), label=f"steps:{root.pk}")
        is_whole = root.is_root and len(some) == len(nodes)
        steps = run_queries.steps_of(root, some, is_whole=is_whole)
        if self.context.endpoint is not None:
            return Response({"items": [status_document(step) for step in steps], "next": following})
        return Response({"items": step_documents(root, steps, is_whole=is_whole), "next": following})


class ChildrenView(RunView):
    needs = {"get": READ, "post": WRITE}
    acts = {"post": Act.OWN}

    @extend_schema(operation_id="run_children", parameters=PAGED, responses=s.RunPage)
    def get(self, request: Request, id: UUID) -> Response:
        """The runs directly below this one, newest first, 500 a page."""
        run = self.run(id, graph=False)
        rows = run_queries.runs_of(self.context.workspace).filter(parent=run.pk)
        page = paging.page_of(rows, **page_of(request))
        return Response({"items": step_documents(run, page.items), "next": page.next})

    @extend_schema(operation_id="run_children_start", request=s.ChildrenIn, responses={201: s.RunPage})
    def post(self, request: Request, id: UUID) -> Response:
        """Open several interactive runs below this one, up to 500 at once; they come back in the order of the request."""
        run = self.own_run(id)
        words: list[RunWords] = [
            {
                "display_name": each["display_name"] or "",
                "tags": run_metadata.merged({}, each["tags"]),
                "trigger": {"kind": source_of(request), "name": self.context.actor},
            }
            for each in self.asked(s.ChildrenIn)["children"]
        ]
        keys = [child.pk for child in start_children(self.context, run, words)]
        rows = run_queries.runs_of(self.context.workspace).in_bulk(keys)  # with what their lines need, by one query
        return Response({"items": step_documents(run, [rows[key] for key in keys]), "next": None}, status=201)


class GraphView(RunView):
    needs = {"get": READ}

    @extend_schema(
        operation_id="run_graph",
        parameters=[
            query("open", "Name of a group of a folded graph that is to be shown step by step; may repeat."),
            query("step", "A step: `home` tells which node of a folded graph holds it."),
        ],
        responses={200: dict},
    )
    def get(self, request: Request, id: UUID) -> Response:
        """What the page's graph takes (docs/wire.md, *Page documents*). Above 300 steps it is folded."""
        asked = request.query_params
        run = self.run(id, graph=False)
        return Response(graph_document(run, asked.getlist("open"), asked.get("step", "")))


class ReuseView(RunView):
    needs = {"get": READ}

    @extend_schema(operation_id="run_reuse", responses={200: dict})
    def get(self, request: Request, id: UUID) -> Response:
        """Why the step was reused or not, with the differences part by part."""
        run = self.run(id)
        if not hasattr(run, "step"):
            raise Invalid("Only a step is reused or not. Ask for one of the run's steps.", code="no_step")
        return Response(
            run.step.reuse_explanation or {"reused": None, "code": "undecided", "text": "", "differences": []}
        )
