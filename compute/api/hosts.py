"""Hosts: looked at, invited, drained, detached."""

from __future__ import annotations

from typing import Any

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.serializers import NodeOut
from compute.models import Enrolment, Host
from compute.samples import UNITS, WINDOWS
from compute.services import enrolments, host_maintenance
from compute.services.host_summary import card_of, known_host, usage_document
from compute.services.hosts import hosts_of
from core.addresses import studio_address
from core.errors import Conflict
from workspaces.api.base import WorkspaceView, listed
from workspaces.models import Role
from workspaces.scopes import Act


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


class HeldOut(serializers.Serializer[Any]):
    """What busy nodes reserve."""

    cores = serializers.FloatField()
    memory = serializers.IntegerField()
    gpus = serializers.IntegerField()


class AllHeldOut(serializers.Serializer[Any]):
    workspace = HeldOut()
    others = HeldOut(help_text="By other workspaces, on a host that is shared.")


class HostDetail(HostOut):
    """The same with its state and what is reserved on it now."""

    state = serializers.CharField(help_text="`alive`, `silent` or `unheard`.")
    drained_by = serializers.CharField(help_text="Empty if somebody of another workspace did.")
    held = AllHeldOut()
    nodes = NodeOut(many=True, help_text="Of this workspace.")

    class Meta(HostOut.Meta):
        fields = (*HostOut.Meta.fields, "state", "drained_by", "held", "nodes")  # type: ignore[assignment]


class HostSeries(serializers.Serializer[Any]):
    """`device`: the UUID of a GPU, for those series alone. A value is null where the host was not heard."""

    name = serializers.CharField(help_text=f"One of {', '.join(UNITS)}.")
    unit = serializers.CharField()
    device = serializers.CharField(required=False)
    peak = serializers.FloatField(allow_null=True)
    points = serializers.JSONField(help_text="`[[seconds since 1970, the highest value of the span or null], …]`")


class HostUsage(serializers.Serializer[Any]):
    host = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    span_seconds = serializers.FloatField(help_text="What one point spans.")
    cores = serializers.FloatField()
    memory = serializers.IntegerField()
    disk_total = serializers.IntegerField()
    devices = serializers.JSONField(help_text="As in `gpus` of the host.")
    series = HostSeries(many=True)


class EnrolmentIn(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    expires_in_hours = serializers.IntegerField(
        required=False, default=enrolments.HOURS, min_value=1, max_value=enrolments.MOST_HOURS
    )


class EnrolmentOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    expires_at = serializers.DateTimeField()
    token = serializers.CharField(help_text="Shown once.")
    command = serializers.CharField(help_text="To be run on the new host.")


class HostsView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(operation_id="hosts_list", responses=listed(HostOut))
    def get(self, request: Request) -> Response:
        """The hosts of the workspace and those that all workspaces share."""
        return self.paged(hosts_of(self.context.workspace), HostOut, keys=("id",))


class HostView(WorkspaceView):
    needs = {"get": Role.READER, "delete": Role.OWNER}
    acts = {"delete": Act.MANAGE}

    @extend_schema(operation_id="hosts_retrieve", responses=HostDetail)
    def get(self, request: Request, name: str) -> Response:
        """What it is, whether it is heard, and what this workspace's nodes and others hold of it."""
        host = host_maintenance.find_host(self.context.workspace, name)
        return Response({**HostOut(host).data, **card_of(self.context.workspace, host).as_document()})

    @extend_schema(operation_id="hosts_detach", responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Its key is refused from now on; what runs there is lost, and retried by policy."""
        host_maintenance.revoke(self.context, name)
        return Response(status=204)


class HostUsageView(WorkspaceView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="hosts_usage",
        parameters=[OpenApiParameter("window", str, enum=["", *WINDOWS], default="hour")],
        responses=HostUsage,
    )
    def get(self, request: Request, name: str) -> Response:
        """Processor, memory, disk and each GPU over the last hour or day; also of a host that was detached."""
        host = known_host(self.context.workspace, name)
        return Response(usage_document(host, request.query_params.get("window") or "hour"))


class DrainView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}

    @extend_schema(operation_id="hosts_drain", request=None, responses=HostOut)
    def post(self, request: Request, name: str) -> Response:
        """No new steps go there; those that run finish. A host that all workspaces share needs an owner."""
        return Response(HostOut(host_maintenance.drain(self.context, name)).data)


class UndrainView(WorkspaceView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.MANAGE}

    @extend_schema(operation_id="hosts_undrain", request=None, responses=HostOut)
    def post(self, request: Request, name: str) -> Response:
        """Let it take steps again."""
        return Response(HostOut(host_maintenance.undrain(self.context, name)).data)


class EnrolmentsView(WorkspaceView):
    needs = {"post": Role.OWNER}
    acts = {"post": Act.MANAGE}

    @extend_schema(operation_id="host_enrolments_create", request=EnrolmentIn, responses={201: EnrolmentOut})
    @sensitive_variables("minted")
    def post(self, request: Request) -> Response:
        """A token by which one machine becomes a host of this workspace, and the command that uses it."""
        asked = self.asked(EnrolmentIn)
        minted = enrolments.create(self.context, asked["name"], asked["expires_in_hours"])
        studio = studio_address(request)
        document = {
            "id": minted.enrolment.pk,
            "name": minted.enrolment.name,
            "expires_at": minted.enrolment.expires_at,
            "token": minted.text,
            "command": enrolments.command_of(studio, minted.text),
        }
        return Response(EnrolmentOut(document).data, status=201)

    def repeated(self, made: Enrolment) -> Response:
        text = (
            "This request has made a token before, and its text is shown once. Make another; this one ends by itself."
        )
        raise Conflict(text, code="shown_once", id=str(made.pk))
