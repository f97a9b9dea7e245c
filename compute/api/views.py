"""Clusters."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute import queries
from compute.api import serializers as s
from compute.models import ComputeTarget
from compute.services import status, targets
from compute.services.documents import target_document
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


class TargetsView(WorkspaceView):
    needs = {"get": Role.READER, "post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}

    @extend_schema(responses=listed(s.TargetOut))
    def get(self, request: Request) -> Response:
        """The clusters of the workspace, by name."""
        hosts = status.living_hosts()
        return self.paged(
            queries.targets_in(self.context.workspace), lambda target: target_document(target, hosts), keys=("id",)
        )

    @extend_schema(request=s.TargetIn, responses={201: s.TargetDetail})
    def post(self, request: Request) -> Response:
        """Under a name that exists with the same size, that cluster gets the scale."""
        target = targets.create_target(self.context, **self.asked(s.TargetIn))
        return Response(target_document(target, status.living_hosts(), with_nodes=True), status=201)


class TargetView(WorkspaceView):
    needs = {"get": Role.READER, "patch": Role.CONTRIBUTOR, "delete": Role.CONTRIBUTOR}
    acts = {"patch": Act.MANAGE, "delete": Act.MANAGE}
    conditional = frozenset({"patch"})

    @extend_schema(responses=s.TargetDetail)
    def get(self, request: Request, name: str) -> Response:
        """One cluster with its nodes."""
        return self._shown(targets.find_target(self.context.workspace, name))

    @extend_schema(request=s.TargetChange, responses=s.TargetDetail)
    def patch(self, request: Request, name: str) -> Response:
        """Change what is named; what is left out stays."""
        return self._shown(targets.update_target(self.context, name, seen=self.seen, **self.asked(s.TargetChange)))

    def _shown(self, target: ComputeTarget) -> Response:
        return self.tagged(target_document(target, status.living_hosts(), with_nodes=True), targets.state(target))

    @extend_schema(
        parameters=[OpenApiParameter("force", bool, description="`1`: cancel what runs on it and waits for it.")],
        responses={204: None, 202: s.TargetDetail},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Delete it. One with steps is refused with their number; with `force` they are canceled, and it goes after them."""
        target = targets.find_target(self.context.workspace, name)
        if targets.delete_target(self.context, target.name, force=self.flag("force")):
            return Response(status=204)
        return Response(self.serialize(target.name), status=202)

    def serialize(self, name: str) -> dict[str, Any]:
        target = targets.find_target(self.context.workspace, name)
        return target_document(target, status.living_hosts(), with_nodes=True)
