"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from workspaces.models import ApiToken, Member, Role
from workspaces.queries import RESOURCE_GROUP, SUBSCRIPTION
from workspaces.scopes import Scope, scope_in
from workspaces.services.tokens import MAX_DAYS


class WorkspaceOut(serializers.Serializer[Member]):
    """A workspace with the caller's role in it; made of a membership."""

    id = serializers.UUIDField(source="workspace.id")
    name = serializers.CharField(source="workspace.name")
    description = serializers.CharField(source="workspace.description")
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField(source="workspace.created_at")
    default_datastore = serializers.CharField(source="workspace.default_datastore")
    run_token_scope = serializers.SerializerMethodField(help_text="How far the tokens of runs reach.")
    studio_url = serializers.SerializerMethodField()
    subscription_id = serializers.SerializerMethodField()
    resource_group = serializers.SerializerMethodField()

    def to_representation(self, member: Member) -> dict[str, Any]:
        """A token is told what it carries itself, which may be less than its user's role."""
        return {**super().to_representation(member), "role": getattr(member, "carried", member.role)}

    def get_run_token_scope(self, member: Member) -> str:
        return scope_in(member.workspace.settings).value

    def get_studio_url(self, member: Member) -> str:
        return str(settings.DUTO.url)

    def get_subscription_id(self, member: Member) -> str:
        return SUBSCRIPTION

    def get_resource_group(self, member: Member) -> str:
        return RESOURCE_GROUP


class WorkspaceIn(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField(required=False, default="", allow_blank=True)


class WorkspaceChange(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    run_token_scope = serializers.ChoiceField(Scope.choices, required=False)


class MeOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="user.id", allow_null=True)
    username = serializers.CharField()
    email = serializers.CharField(allow_null=True)
    token = serializers.CharField(source="token.prefix", allow_null=True)
    workspaces = WorkspaceOut(many=True)


class RootOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    api = serializers.IntegerField()


class TokenOut(serializers.Serializer[ApiToken]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class MintedOut(TokenOut):
    token = serializers.CharField(help_text="The token itself. It is shown this once.")


class TokenIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    role = serializers.CharField(default=Role.CONTRIBUTOR.value)
    expires_in_days = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=MAX_DAYS
    )


class MemberOut(serializers.Serializer[Member]):
    id = serializers.UUIDField()
    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()


class InvitationOut(serializers.Serializer[Any]):
    """Somebody who was invited. The member gets this id; until then `members/{id}/` changes and withdraws it."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class InvitedOut(MemberOut):
    sign_in_link = serializers.CharField(
        allow_null=True, help_text="The address to give to them; it works once. Null for who came in at once."
    )


class MemberIn(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    role = serializers.CharField(default=Role.READER.value)
    email = serializers.EmailField(required=False, default="", allow_blank=True)


class MemberChange(serializers.Serializer[Any]):
    role = serializers.CharField()
