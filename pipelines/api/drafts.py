"""Drafts of pipelines: list, make, look at, change, publish, delete. What checks and submits them lies with the runs."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import pairs
from pipelines import queries
from pipelines.api import serializers as s
from pipelines.models import PipelineDraft, PublishedPipeline
from pipelines.services import drafts
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class DraftsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(
        parameters=[
            OpenApiParameter("tags", description="`key` or `key=value`, may be repeated: those that have all.")
        ],
        responses=listed(s.DraftOut),
    )
    def get(self, request: Request) -> Response:
        """The drafts, newest first."""
        tags = pairs.asked(request.query_params, "tags")
        return self.paged(queries.listed_drafts(self.context.workspace, tags), queries.draft_document)

    @extend_schema(request=s.DraftIn, responses={201: s.DraftOut})
    def post(self, request: Request) -> Response:
        """Make a draft of a graph, or a copy of a run, of a published pipeline or of another draft."""
        return self.repeated(drafts.create(self.context, self.asked(s.DraftIn)))

    def repeated(self, made: PipelineDraft) -> Response:
        return Response(queries.draft_document(queries.draft(self.context.workspace, made.pk)), status=201)


class DraftView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR, "delete": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN, "delete": Act.OWN}

    @extend_schema(responses=s.DraftDetail)
    def get(self, request: Request, id: UUID) -> Response:
        """One draft with its graph."""
        return Response(queries.draft_document(queries.draft(self.context.workspace, id), with_graph=True))

    @extend_schema(request=s.DraftChange, responses=s.DraftOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change what is named; all else stays. With `version`, 409 `changed` where another has changed it since."""
        asked = self.asked(s.DraftChange)
        version = asked.pop("version", None)
        found = queries.draft(self.context.workspace, id)
        return Response(queries.draft_document(drafts.change(self.context, found, asked, version=version)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Remove it. Its runs, and what was published of it, stay."""
        drafts.delete(self.context, queries.draft(self.context.workspace, id))
        return Response(status=204)


class DraftPublishView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(request=s.DraftPublishIn, responses={201: s.PipelineOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Freeze it as it is now: the values of its parameters become the defaults."""
        found = queries.draft(self.context.workspace, id)
        return self.repeated(drafts.publish(self.context, found, **self.asked(s.DraftPublishIn)))

    def repeated(self, made: PublishedPipeline) -> Response:
        return Response(queries.document(made), status=201)
