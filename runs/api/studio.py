"""The installation, for those who look after it. To everybody else these addresses do not exist; tokens open them never."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from core.paging import page_of
from runs.queries import health
from runs.queries.workspaces import overviews
from workspaces.api.base import StudioView, listed
from workspaces.models import ApiToken, Banner, User, Workspace
from workspaces.services import installation


class PartOut(s.Serializer[Any]):
    name = s.CharField()
    state = s.CharField(help_text="good, warning or bad.")
    reason = s.CharField()
    action = s.CharField(help_text="What mends it; empty where nothing needs to be mended.")


class HealthOut(s.Serializer[Any]):
    parts = PartOut(many=True)
    versions = s.DictField(child=s.CharField())


class StudioWorkspaceOut(s.Serializer[Any]):
    id = s.UUIDField(source="workspace.id")
    name = s.CharField(source="workspace.name")
    archived_at = s.DateTimeField(source="workspace.archived_at", allow_null=True)
    live_runs = s.IntegerField()
    people = s.IntegerField()
    last_activity = s.DateTimeField(allow_null=True)
    storage_bytes = s.IntegerField(allow_null=True)


class PersonOut(s.Serializer[Any]):
    id = s.UUIDField()
    username = s.CharField()
    email = s.CharField()
    is_active = s.BooleanField()
    workspaces = s.IntegerField(source="workspace_count")
    last_seen_at = s.DateTimeField(source="seen", allow_null=True)


class PersonChange(s.Serializer[Any]):
    is_active = s.BooleanField()


class MessageDocument(s.Serializer[Any]):
    """What every page says; an empty text says nothing."""

    text = s.CharField(allow_blank=True, max_length=installation.LONGEST)
    level = s.ChoiceField(Banner.Level.choices, default=Banner.Level.INFO)
    until = s.DateTimeField(allow_null=True, required=False, default=None)


class InstallationView(StudioView):
    """A session of a person who looks after the studio; else 404."""

    def me(self) -> User:
        return installation.require_owner(None if isinstance(self.request.auth, ApiToken) else self.request.user)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.me()


class HealthView(InstallationView):
    @extend_schema(operation_id="studio_health", responses=HealthOut)
    def get(self, request: Request) -> Response:
        """How the parts are, each with the reason and what mends it."""
        return Response(HealthOut({"parts": health.parts(), "versions": health.versions()}).data)


class StudioWorkspacesView(InstallationView):
    @extend_schema(operation_id="studio_workspaces", responses=listed(StudioWorkspaceOut))
    def get(self, request: Request) -> Response:
        """All workspaces."""
        rows, asked = Workspace.objects.filter(deleted_at__isnull=True), request.query_params
        found = page_of(rows, after=asked.get("after"), limit=asked.get("limit"), keys=("name",))
        items = StudioWorkspaceOut(overviews(dict.fromkeys(found.items, "")), many=True).data
        return Response({"items": items, "next": found.next})


class PeopleView(InstallationView):
    @extend_schema(operation_id="studio_people", responses=listed(PersonOut))
    def get(self, request: Request) -> Response:
        """All accounts."""
        return self.paged(installation.people(), PersonOut, keys=("username",))


class PersonView(InstallationView):
    @extend_schema(operation_id="studio_person", request=PersonChange, responses=PersonOut)
    def patch(self, request: Request, id: UUID) -> Response:
        """Close an account, or open it again."""
        found = installation.set_active(self.me(), id, self.asked(PersonChange)["is_active"])
        return Response(PersonOut(installation.people().get(pk=found.pk)).data)


class MessageView(InstallationView):
    @extend_schema(operation_id="studio_message", responses=MessageDocument)
    def get(self, request: Request) -> Response:
        """What every page says now."""
        return self.tagged(_message(), installation.state())

    @extend_schema(operation_id="studio_message_put", request=MessageDocument, responses=MessageDocument)
    def put(self, request: Request) -> Response:
        """Say something else, or nothing."""
        installation.say(self.me(), seen=self.seen, **self.asked(MessageDocument))
        return self.tagged(_message(), installation.state())


def _message() -> Any:
    said = installation.said()
    return MessageDocument(said).data if said else {"text": "", "level": "info", "until": None}
