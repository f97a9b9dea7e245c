"""Nodes of clusters, for what concerns the steps on them."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.serializers import NodeOut
from compute.services.status import node_documents
from runs.services.clusters import remove_node
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class NodeView(WorkspaceView):
    needs = {"delete": Role.CONTRIBUTOR}
    acts = {"delete": Act.MANAGE}

    @extend_schema(operation_id="compute_node_remove", responses={204: None, 202: NodeOut})
    def delete(self, request: Request, name: str, node: UUID) -> Response:
        """Take a node away. The step on it is stopped and tried again by policy; until then the node is `leaving`."""
        left = remove_node(self.room, name, node)
        return Response(status=204) if left is None else Response(node_documents([left])[0], status=202)
