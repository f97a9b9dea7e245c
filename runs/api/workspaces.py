"""Workspaces as wholes, as only runs know them: a new one with its first cluster, what each takes and holds."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Conflict, Forbidden
from runs.queries import workspaces as queries
from runs.services.maintenance.workspace_creation import FirstCluster, found
from workspaces.api.base import StudioView, WorkspaceView, keyed, listed
from workspaces.api.serializers import LimitsDocument, WorkspaceOut
from workspaces.api.views import caller
from workspaces.models import Invitation, Member, Role, Workspace
from workspaces.queries import workspaces_of
from workspaces.scopes import Act


class PersonIn(s.Serializer[Any]):
    username = s.CharField(max_length=150)
    role = s.CharField(default=Role.CONTRIBUTOR.value)


class FirstClusterIn(s.Serializer[Any]):
    name = s.CharField(max_length=64)
    vm_size = s.CharField(max_length=64, default="STANDARD_DS3_V2")
    max_nodes = s.IntegerField(default=2)


class WorkspaceIn(s.Serializer[Any]):
    """A new workspace: all of it is made, or nothing."""

    name = s.CharField()
    description = s.CharField(required=False, default="", allow_blank=True)
    tags = s.DictField(required=False, child=s.CharField(allow_blank=True))
    limits = LimitsDocument(required=False)
    people = PersonIn(many=True, required=False, help_text="Who else: they are invited for a week.")
    cluster = FirstClusterIn(required=False, help_text="Its first cluster, for steps that name none.")


class InvitedPerson(s.Serializer[Any]):
    username = s.CharField()
    sign_in_link = s.CharField(allow_null=True, help_text="Shown this once; null for who came in at once.")


class WorkspaceMade(WorkspaceOut):
    """The new workspace, and how those who were named come in."""

    invited = InvitedPerson(many=True)


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


class WorkspacesView(StudioView):
    keeps_keys = True

    @property
    def keys_of(self) -> str:
        user, _token = caller(self.request)
        return f"user:{user.pk if user else ''}"

    @extend_schema(responses=listed(WorkspaceOut))
    def get(self, request: Request) -> Response:
        """The workspaces of the caller."""
        user, token = caller(request)
        return self.paged(workspaces_of(user, token), WorkspaceOut, keys=("id",))

    @extend_schema(request=WorkspaceIn, responses={201: WorkspaceMade})
    @keyed
    def post(self, request: Request) -> Response:
        """A new workspace, for those who own one already: all that its form takes, in one request. A token of an owner
        opens what it makes, too."""
        user, token = caller(request)
        if user is None:
            raise Forbidden(_("Only a person makes a workspace."))
        asked = self.asked(WorkspaceIn)
        people = [(each["username"], each["role"]) for each in asked.pop("people", ())]
        cluster = FirstCluster(**first) if (first := asked.pop("cluster", None)) else None
        made = found(user, people=people, cluster=cluster, token=token, **asked)
        return self._made(made.context.workspace, made.invited)

    def repeated(self, made: Workspace) -> Response:
        if Invitation.objects.filter(workspace=made).exists():
            text = f"This request has made '{made.name}' before, and its links are shown once. Invite people again for others."
            raise Conflict(text, code="shown_once", id=str(made.pk))
        people = Member.objects.filter(workspace=made).exclude(user=caller(self.request)[0]).order_by("id")
        return self._made(made, [(name, None) for name in people.values_list("user__username", flat=True)])

    def _made(self, workspace: Workspace, people: list[tuple[str, str | None]]) -> Response:
        invited = [
            {"username": name, "sign_in_link": settings.DUTO.url + link if link else None} for name, link in people
        ]
        document = WorkspaceOut(Member(workspace=workspace, role=Role.OWNER)).data
        return Response({**document, "invited": invited}, status=201)


class WorkspaceUseView(WorkspaceView):
    needs = {"get": Role.READER}
    acts = {"get": Act.MANAGE}

    @extend_schema(operation_id="workspace_use", responses=WorkspaceUseOut)
    def get(self, request: Request) -> Response:
        """What the workspace takes of each of its limits."""
        workspace = self.context.workspace
        return Response(WorkspaceUseOut({"storage_at": workspace.storage_at, "limits": queries.uses(workspace)}).data)


class DeletePreviewView(WorkspaceView):
    needs = {"get": Role.OWNER}
    acts = {"get": Act.MANAGE}

    @extend_schema(operation_id="workspace_delete_preview", responses=GoingOut)
    def get(self, request: Request) -> Response:
        """What deleting the workspace would do now."""
        return Response(queries.going(self.context.workspace).as_document())
