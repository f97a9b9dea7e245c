"""What a workspace takes and holds, as only runs know it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from runs.queries import workspaces as queries
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act


class LimitUseOut(s.Serializer[Any]):
    name = s.CharField()
    used = s.IntegerField()
    most = s.IntegerField(allow_null=True, help_text="Null is no limit.")


class WorkspaceUseOut(s.Serializer[Any]):
    storage_at = s.DateTimeField(allow_null=True, help_text="When its files were counted last.")
    limits = LimitUseOut(many=True)


class LiveRunOut(s.Serializer[Any]):
    id = s.UUIDField()
    experiment = s.CharField()
    number = s.IntegerField()
    name = s.CharField()


class GoingOut(s.Serializer[Any]):
    """What deleting a workspace would stop, take away and leave."""

    name = s.CharField()
    can_go = s.BooleanField(help_text="False for the workspace that the studio begins with.")
    live_count = s.IntegerField()
    live_runs = LiveRunOut(many=True)
    counts = s.DictField(child=s.IntegerField())
    bytes = s.IntegerField()
    store_bytes = s.IntegerField(help_text="Of runs, code and models.")
    datastore_bytes = s.IntegerField(help_text="Of files on its datastores.")
    points_at = s.ListField(child=s.CharField(), help_text="Web addresses that its datasets read: they stay.")
    points_at_count = s.IntegerField()


class WorkspaceUseView(WorkspaceView):
    needs = {"get": Role.READER}
    acts = {"get": Act.MANAGE}

    @extend_schema(operation_id="workspace_use", responses=WorkspaceUseOut)
    def get(self, request: Request) -> Response:
        """What the workspace takes of each of its limits."""
        workspace = self.room.workspace
        return Response(WorkspaceUseOut({"storage_at": workspace.storage_at, "limits": queries.uses(workspace)}).data)


class DeletePreviewView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(operation_id="workspace_delete_preview", responses=GoingOut)
    def get(self, request: Request) -> Response:
        """What deleting the workspace would do now."""
        return Response(queries.going(self.room.workspace).as_document())
