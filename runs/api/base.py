"""What the REST views of runs share."""

from __future__ import annotations

from typing import Any, BinaryIO, cast
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from core import paging
from core.errors import Forbidden
from runs.models import Run
from runs.queries.documents import answer_document
from runs.queries.runs import get_run
from runs.services.scheduling.waiting import reasons_of
from runs.services.submission.endpoint_runs import is_of_token
from workspaces.access import require_run
from workspaces.api.base import RawAnswers, WorkspaceView
from workspaces.api.schema import AFTER, LIMIT

BYTES = OpenApiResponse(
    OpenApiTypes.BINARY, description="The bytes. Ranges are honoured; `?download=1` saves as a file."
)
UPLOAD = {"application/octet-stream": OpenApiTypes.BINARY}


def query(name: str, text: str = "", kind: Any = str) -> OpenApiParameter:
    """A parameter of the query string, for the OpenAPI document."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=text)


PAGED = [LIMIT, AFTER]


def page_of(request: Request) -> dict[str, Any]:
    """Where the page begins, and how long it is; without a word as long as one may be."""
    asked = request.query_params
    return {"after": asked.get("after"), "limit": asked.get("limit", paging.MAX_LIMIT)}


class RunView(WorkspaceView):
    """A view about one run of the workspace."""

    def run(self, id: UUID, *, graph: bool = True) -> Run:
        """The run of the address, with its graph or without it. Raises NotFound, and Forbidden (`endpoint_scope`) for the
        token of an endpoint that has not started it, whether it is there or not."""
        if self.context.endpoint is not None and not is_of_token(self.context, id):
            raise Forbidden(
                _("This token sees the runs that it started, and this is none of them. Use a token of your own."),
                code="endpoint_scope",
            )
        return get_run(self.context.workspace, id, graph=graph)

    def own_run(self, id: UUID) -> Run:
        """The run of the address, which is to be changed. Raises Forbidden for a step of another tree."""
        found = self.run(id, graph=False)
        require_run(self.context, found)
        return found

    def made(self, run: Run, status: int = 201) -> Response:
        """The answer of what makes or changes a run."""
        return Response(self.serialize(run), status=status)

    def serialize(self, run: Run) -> dict[str, Any]:
        """The run as it now stands, its graph only where that is short."""
        return answer_document(self.run(run.pk, graph=False), reasons=reasons_of)


class RawView(RawAnswers, RunView):
    """A view of a run that answers with bytes."""


def stream_of(request: Request) -> BinaryIO:
    """The raw body, to be read in pieces: files do not pass through memory."""
    return cast(BinaryIO, request._request)
