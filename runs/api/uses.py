"""Who uses what, both ways (runs.queries.uses)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute.services.host_summary import known_host
from compute.services.targets import find_target
from core import paging
from core.errors import NotFound
from datasets.models import DatasetVersion
from environments.services import versions as environment_versions
from registry.services.models import find_model
from runs.api import serializers as s
from runs.api.base import PAGED, RunView, page_of
from runs.queries import uses
from workspaces.api.base import WorkspaceView
from workspaces.models import Role


class RunInputsView(RunView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="run_inputs", parameters=PAGED, responses=s.InputPage)
    def get(self, request: Request, id: UUID) -> Response:
        """The datasets and models that the run reads: of a step what its graph, its parameters and its script name, of a
        whole run each dataset with the first step that reads it, and each model with each step that copied it."""
        run = self.run(id, graph=False)
        found, following = paging.part_of(uses.inputs_of(run), **page_of(request), label=f"inputs:{run.pk}")
        return Response({"items": [each.as_document() for each in found], "next": following})


class UsesView(WorkspaceView):
    """A view that answers with a page of uses."""

    def uses(
        self, rows: QuerySet[Any], keys: tuple[str, ...], out: Callable[[Any], dict[str, Any]] = uses.use_document
    ) -> Response:
        query = self.request.query_params
        page = paging.page_of(rows, after=query.get("after"), limit=query.get("limit"), keys=keys)
        return Response({"items": [out(each) for each in uses.with_runs(page.items)], "next": page.next})


class DatasetUsesView(UsesView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="dataset_version_uses", parameters=PAGED, responses=s.UsePage)
    def get(self, request: Request, id: UUID) -> Response:
        """The runs that read the version, newest first, each with the first of its steps that does."""
        if not DatasetVersion.objects.filter(workspace=self.context.workspace, pk=id).exists():
            raise NotFound("There is no such dataset version in this workspace.")
        return self.uses(uses.data_uses(self.context.workspace, id), uses.DATA_KEYS)


class ModelUsesView(UsesView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="model_version_uses", parameters=PAGED, responses=s.UsePage)
    def get(self, request: Request, name: str, version: str) -> Response:
        """The steps that copied the version, newest first."""
        found = find_model(self.context.workspace, name, version)
        return self.uses(uses.model_uses(self.context.workspace, found.pk), uses.STEP_KEYS)


class EnvironmentUsesView(UsesView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="environment_version_uses", parameters=PAGED, responses=s.UsePage)
    def get(self, request: Request, name: str, version: str) -> Response:
        """The steps that run with the version, newest first."""
        found = environment_versions.find(self.context.workspace, name, version)
        rows = uses.steps_with(self.context.workspace, environment_version_id=found.pk)
        return self.uses(rows, uses.STEP_KEYS)


class ClusterUsesView(UsesView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="compute_uses", parameters=PAGED, responses=s.UsePage)
    def get(self, request: Request, name: str) -> Response:
        """The steps that were sent to the cluster, newest first; a reused one was sent nowhere."""
        target = find_target(self.context.workspace, name)
        rows = uses.steps_with(self.context.workspace, compute_target_id=target.pk, reused_from__isnull=True)
        return self.uses(rows, uses.STEP_KEYS)


class HostUsesView(UsesView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="host_uses", parameters=PAGED, responses=s.AttemptUsePage)
    def get(self, request: Request, name: str) -> Response:
        """The attempts of this workspace's steps that were placed on the host, newest first."""
        rows = uses.attempts_on(self.context.workspace, known_host(self.context.workspace, name).pk)
        return self.uses(rows, ("-id",), uses.attempt_use_document)
