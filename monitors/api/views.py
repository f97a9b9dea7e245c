"""Monitors: list, make, change, delete, their windows, and having windows looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import parse
from core.errors import Invalid
from monitors import queries
from monitors.api import serializers as s
from monitors.models import Monitor
from monitors.services import monitors
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class MonitorsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.PUBLISH}

    @extend_schema(
        parameters=[
            OpenApiParameter("name", description="The monitor of this name."),
            OpenApiParameter(
                "baseline", description="The id of a version of a dataset: monitors that compare with it."
            ),
            OpenApiParameter("target", description="The id of a version of a dataset: monitors that look at it."),
        ],
        responses=listed(s.MonitorOut),
    )
    def get(self, request: Request) -> Response:
        """The monitors."""
        query = {name: request.query_params.get(name, "") for name in ("name", "baseline", "target")}
        return self.paged(queries.monitors_in(self.context.workspace, **query), queries.document)

    @extend_schema(request=s.MonitorIn, responses={201: s.MonitorOut})
    def post(self, request: Request) -> Response:
        """Make a monitor."""
        return self.repeated(monitors.create(self.context, self.asked(s.MonitorIn)))

    def repeated(self, made: Monitor) -> Response:
        return Response(queries.document(made), status=201)


class MonitorView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR, "delete": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN, "delete": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.MonitorOut)
    def get(self, request: Request, id: UUID) -> Response:
        """One monitor."""
        return self._shown(queries.monitor(self.context.workspace, id))

    @extend_schema(request=s.MonitorChange, responses=s.MonitorOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Change it, enable or disable it."""
        found = queries.monitor(self.context.workspace, id)
        return self._shown(monitors.change(self.context, found, self.asked(s.MonitorChange), seen=self.seen))

    def _shown(self, found: Monitor) -> Response:
        return self.tagged(queries.document(found), monitors.state(found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Remove it with its windows. Datasets, and runs that it started, stay."""
        monitors.delete(self.context, queries.monitor(self.context.workspace, id))
        return Response(status=204)


class WindowsView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        parameters=[
            OpenApiParameter("start", datetime, description="Windows that reach beyond this moment."),
            OpenApiParameter("end", datetime, description="Windows that begin before this moment."),
        ],
        responses=listed(s.WindowOut),
    )
    def get(self, request: Request, id: UUID) -> Response:
        """The windows that it has looked at, newest first."""
        found = queries.monitor(self.context.workspace, id)
        rows = queries.windows_of(found, self._moment("start"), self._moment("end"))
        return self.paged(rows, queries.window_document, keys=("-start_at", "-id"))

    def _moment(self, name: str) -> datetime | None:
        given = self.request.query_params.get(name)
        moment = parse(given) if given else None
        if given and moment is None:
            raise Invalid(_("'%(name)s' is a time such as 2026-01-31T00:00:00Z.") % {"name": name})
        return moment


class WindowView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(responses=s.WindowOut)
    def get(self, request: Request, id: UUID, window: UUID) -> Response:
        """One window with the measures of its features."""
        found = queries.window(queries.monitor(self.context.workspace, id), window)
        return Response(queries.window_document(found, is_whole=True))


class MonitorBackfillView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(request=s.SpanIn, responses=s.WindowsOut)
    def post(self, request: Request, id: UUID) -> Response:
        """Look at the windows of a span that are over, 31 at most; those that have been looked at are looked at again."""
        asked = self.asked(s.SpanIn)
        found = monitors.backfill(
            self.context, queries.monitor(self.context.workspace, id), asked["start"], asked["end"]
        )
        return Response({"windows": [queries.window_document(each) for each in found]})


class MonitorRunView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(request=s.RunNowIn, responses=s.WindowOut)
    def post(self, request: Request, id: UUID) -> Response:
        """Look at the window of a moment, once more where it has been looked at."""
        asked: dict[str, Any] = self.asked(s.RunNowIn)
        found = monitors.run_now(self.context, queries.monitor(self.context.workspace, id), asked.get("at"))
        return Response(queries.window_document(found))
