"""What a step used of its host."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api import serializers as s
from runs.api.base import RunView
from runs.api.logs import ATTEMPT
from runs.queries.logs import attempt_of
from runs.queries.usage import usage_document
from workspaces.models import Role


class UsageView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_usage", parameters=[ATTEMPT], responses=s.Usage)
    def get(self, request: Request, id: UUID) -> Response:
        """Processor, memory, disk and devices over the seconds of an attempt, with the peaks. A reused step has those of its source."""
        number = self.number("attempt", 0, least=0) or None
        return Response(usage_document(attempt_of(self.run(id), number)))
