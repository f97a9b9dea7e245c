"""Resuming a run, and the look at what that would do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from core.text import document_of
from runs.api import serializers as s
from runs.api.base import PAGED, RunView, page_of, query
from runs.models import Run
from runs.services.submission.resume import resume
from runs.services.submission.resume_preview import preview
from workspaces.models import Role
from workspaces.scopes import Act


class ResumeView(RunView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}

    @extend_schema(operation_id="run_resume", request=s.ResumeIn, responses={201: s.RunOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Run a failed or canceled pipeline again as a new run that adopts the steps that were finished."""
        made = resume(self.context, self.run(id), parameters=self.asked(s.ResumeIn)["parameters"])
        return self.made(made)

    def repeated(self, made: Run) -> Response:
        return self.made(made)


class ResumePreviewView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_resume_preview",
        parameters=[query("parameters", "A JSON object of changed parameters."), *PAGED],
        responses=s.ResumePreview,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """What resuming would adopt and what would run, and why: all steps are counted, 500 a page told of. Nothing is
        submitted."""
        found = preview(self.run(id, graph=False), _parameters(request), **page_of(request))
        return Response(found.as_document())


def _parameters(request: Request) -> dict[str, Any]:
    text = request.query_params.get("parameters") or "{}"
    try:
        found = document_of(text.encode())
    except ValueError as error:
        raise Invalid(f"'parameters' is no JSON: {error}.", code="bad_parameters") from error
    if not isinstance(found, dict):
        raise Invalid("'parameters' is a JSON object of names and values.", code="bad_parameters")
    return found
