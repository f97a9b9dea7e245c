"""Hosts: looked at, invited, drained, detached."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute.models import Host
from compute.services import enrolments, upkeep
from compute.services.hosts import hosts_of
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role


class HostOut(serializers.ModelSerializer[Host]):
    """A machine with an agent, as it told of itself. `shared`: it serves every workspace."""

    shared = serializers.SerializerMethodField()

    class Meta:
        model = Host
        fields = (
            "id", "name", "shared", "launcher", "cores", "memory", "disk_free", "gpus", "pythons", "agent_version",
            "facts", "created_at", "agent_started_at", "last_seen_at", "drained_at",
        )  # fmt: skip

    def get_shared(self, host: Host) -> bool:
        return host.workspace_id is None


class EnrolmentIn(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    expires_in_hours = serializers.IntegerField(required=False, default=enrolments.HOURS)


class EnrolmentOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    expires_at = serializers.DateTimeField()
    token = serializers.CharField(help_text="Shown once.")
    command = serializers.CharField(help_text="To be run on the new host.")


class HostsView(WorkspaceView):
    needs = {"get": Role.READER}
    people_only = True

    @extend_schema(operation_id="hosts_list", responses=listed(HostOut))
    def get(self, request: Request) -> Response:
        return self.paged(hosts_of(self.room.workspace), HostOut, keys=("id",))


class HostView(WorkspaceView):
    needs = {"get": Role.READER, "delete": Role.OWNER}
    people_only = True

    @extend_schema(operation_id="hosts_retrieve", responses=HostOut)
    def get(self, request: Request, name: str) -> Response:
        return Response(HostOut(upkeep.find_host(self.room.workspace, name)).data)

    @extend_schema(operation_id="hosts_detach", responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Its key is refused from now on; what runs there is lost, and retried by policy."""
        upkeep.revoke(self.room, name)
        return Response(status=204)


class DrainView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    people_only = True

    @extend_schema(operation_id="hosts_drain", request=None, responses=HostOut)
    def post(self, request: Request, name: str) -> Response:
        """No new steps go there; those that run finish. A host that all workspaces share needs an owner."""
        return Response(HostOut(upkeep.drain(self.room, name)).data)


class UndrainView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    people_only = True

    @extend_schema(operation_id="hosts_undrain", request=None, responses=HostOut)
    def post(self, request: Request, name: str) -> Response:
        return Response(HostOut(upkeep.undrain(self.room, name)).data)


class EnrolmentsView(WorkspaceView):
    needs = {"post": Role.OWNER}
    people_only = True

    @extend_schema(operation_id="host_enrolments_create", request=EnrolmentIn, responses={201: EnrolmentOut})
    @sensitive_variables("minted")
    def post(self, request: Request) -> Response:
        """A token by which one machine becomes a host of this workspace, and the command that uses it."""
        asked = self.asked(EnrolmentIn)
        minted = enrolments.create(self.room, asked["name"], asked["expires_in_hours"])
        studio = settings.DUTO.public_url or request.build_absolute_uri("/")
        document = {
            "id": minted.enrolment.pk,
            "name": minted.enrolment.name,
            "expires_at": minted.enrolment.expires_at,
            "token": minted.text,
            "command": enrolments.command_of(studio, minted.text),
        }
        return Response(EnrolmentOut(document).data, status=201)
