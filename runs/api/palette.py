"""Everything with a name, for the palette that jumps to it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api import serializers as s
from runs.api.base import query
from runs.queries.palette import palette
from workspaces.api.base import WorkspaceView
from workspaces.models import Role


class PaletteView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="palette", parameters=[query("q", "Part of a name.")], responses=s.Palette)
    def get(self, request: Request) -> Response:
        """What the jump palette finds for `q`: runs, data, models and places by name."""
        return Response({"items": palette(self.context.workspace, request.query_params.get("q", "").strip()[:100])})
