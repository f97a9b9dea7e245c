"""Experiments: names that runs are gathered under."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api import serializers as s
from runs.api.base import PAGED
from runs.models import Experiment
from runs.services.submission import experiments
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class ExperimentsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.REGISTER}

    @extend_schema(operation_id="experiments_list", parameters=PAGED, responses=s.ExperimentPage)
    def get(self, request: Request) -> Response:
        """The experiments of the workspace, that of the newest run first."""
        return self.paged(Experiment.objects.filter(workspace=self.context.workspace), s.ExperimentOut)

    @extend_schema(operation_id="experiments_create", request=s.ExperimentIn, responses={201: s.ExperimentOut})
    def post(self, request: Request) -> Response:
        """The experiment of this name, made where there is none."""
        return Response(
            s.ExperimentOut(experiments.ensure(self.context, **self.asked(s.ExperimentIn))).data, status=201
        )


class ExperimentView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR}
    acts = {"patch": Act.OWN}
    conditional = frozenset({"patch"})

    @extend_schema(operation_id="experiment", responses=s.ExperimentOut)
    def get(self, request: Request, name: str) -> Response:
        """One experiment."""
        return self._shown(experiments.get(self.context, name))

    @extend_schema(operation_id="experiment_change", request=s.ExperimentChange, responses=s.ExperimentOut)
    def patch(self, request: Request, name: str) -> Response:
        """Change words and tags, archive, bring back."""
        found = experiments.get(self.context, name)
        return self._shown(experiments.change(self.context, found, seen=self.seen, **self.asked(s.ExperimentChange)))

    def _shown(self, found: Experiment) -> Response:
        return self.tagged(s.ExperimentOut(found).data, experiments.said_of(found))
