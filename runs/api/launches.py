"""What is needed to start a step on another machine."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api import serializers as s
from runs.api.base import RunView
from runs.services.agent_reports.launch_document import launch_document
from workspaces.models import Role


class LaunchView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_launch", responses=s.Launch)
    def get(self, request: Request, id: UUID) -> Response:
        """A step as `duto debug` starts it: code, inputs with their addresses, arguments, environment and variables, without secrets."""
        return Response(launch_document(self.context.workspace, self.run(id)))
