"""Clusters and their nodes, for what concerns the steps on them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.serializers import NodeOut
from compute.services.status import node_documents
from compute.services.targets import find_target
from runs.queries.clusters import usage_document
from runs.services.orchestration.cluster_removal import remove_node
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class ClusterSeries(s.Serializer[Any]):
    name = s.CharField(help_text="`running` or `waiting`.")
    unit = s.CharField()
    peak = s.FloatField(allow_null=True)
    points = s.JSONField(help_text="`[[seconds since 1970, the most steps at once in the span], …]`")


class ClusterUsage(s.Serializer[Any]):
    cluster = s.CharField()
    since = s.DateTimeField()
    until = s.DateTimeField()
    span_seconds = s.FloatField(help_text="What one point spans.")
    nodes = s.IntegerField(help_text="How many it has at most.")
    node_seconds = s.FloatField(help_text="How long its nodes had a step, all together.")
    series = ClusterSeries(many=True, help_text="None where no step ran or waited.")


class ClusterUsageView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="compute_usage", responses=ClusterUsage)
    def get(self, request: Request, name: str) -> Response:
        """How many steps ran on its nodes and how many waited for one, over the last day."""
        return Response(usage_document(find_target(self.context.workspace, name)))


class NodeView(WorkspaceView):
    needs = {"delete": Role.CONTRIBUTOR}
    acts = {"delete": Act.MANAGE}

    @extend_schema(operation_id="compute_node_remove", responses={204: None, 202: NodeOut})
    def delete(self, request: Request, name: str, node: UUID) -> Response:
        """Take a node away. The step on it is stopped and tried again by policy; until then the node is `leaving`."""
        left = remove_node(self.context, name, node)
        return Response(status=204) if left is None else Response(node_documents([left])[0], status=202)
