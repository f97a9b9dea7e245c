"""Drafts as programs run them: check, plan, submit."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries
from runs.api import serializers as s
from runs.api.base import RunView
from runs.api.plans import PlanOut
from runs.models import Run
from runs.services.planning.plan_run import plan_run
from runs.services.submission import drafts
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class DraftCheckView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(operation_id="draft_check", request=s.DraftCheckIn, responses=s.ProblemsOut)
    def post(self, request: Request, id: UUID) -> Response:
        """All for which a submit of it would be refused. Nothing is submitted."""
        draft = queries.draft(self.context.workspace, id)
        found = drafts.problems_of(self.context, draft, self.asked(s.DraftCheckIn)["parameters"])
        return Response({"problems": found})


class DraftPlanView(RunView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(operation_id="draft_plan", request=s.DraftSubmitIn, responses=PlanOut)
    def post(self, request: Request, id: UUID) -> Response:
        """What submitting it would do. Nothing is written."""
        draft = queries.draft(self.context.workspace, id)
        submission = drafts.submission_of(draft, **self.asked(s.DraftSubmitIn))
        return Response(plan_run(self.context, **submission).as_document())


class DraftSubmitView(RunView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}

    @extend_schema(operation_id="draft_submit", request=s.DraftSubmitIn, responses={201: s.RunOut})
    def post(self, request: Request, id: UUID) -> Response:
        """Run it as it is. Values that are given here stand before its own, for this run alone."""
        draft = queries.draft(self.context.workspace, id)
        return self.made(drafts.submit(self.context, draft, **self.asked(s.DraftSubmitIn)))

    def repeated(self, made: Run) -> Response:
        return self.made(made)
