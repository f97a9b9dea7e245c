"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workspaces.limits import LARGEST, LONGEST_AUDIT, audit_days_in, of_settings
from workspaces.models import ApiToken, Member, Role, Secret
from workspaces.queries import RESOURCE_GROUP, SUBSCRIPTION
from workspaces.scopes import Scope, scope_in
from workspaces.services.invitations import MOST_DAYS, MOST_USES
from workspaces.services.keyvault import MOST_AT_ONCE
from workspaces.services.tokens import MAX_DAYS


class LimitsDocument(serializers.Serializer[Any]):
    """What a workspace may take; null is no limit."""

    storage_bytes = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=LARGEST)
    running_steps = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=LARGEST)
    members = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST)


class WorkspaceOut(serializers.Serializer[Member]):
    """A workspace with the caller's role in it; made of a membership."""

    id = serializers.UUIDField(source="workspace.id")
    name = serializers.CharField(source="workspace.name")
    description = serializers.CharField(source="workspace.description")
    role = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField(source="workspace.created_at")
    default_datastore = serializers.CharField(source="workspace.default_datastore")
    default_compute = serializers.CharField(
        source="workspace.default_compute", help_text="The cluster of steps that name none; empty: each has to."
    )
    tags = serializers.DictField(source="workspace.tags", child=serializers.CharField())
    archived_at = serializers.DateTimeField(source="workspace.archived_at", allow_null=True)
    limits = serializers.SerializerMethodField()
    audit_days = serializers.SerializerMethodField(help_text="Days for which the audit is kept; null is for ever.")
    run_token_scope = serializers.SerializerMethodField(help_text="How far the tokens of runs reach.")
    studio_url = serializers.SerializerMethodField()
    subscription_id = serializers.SerializerMethodField()
    resource_group = serializers.SerializerMethodField()

    def to_representation(self, member: Member) -> dict[str, Any]:
        """A token is told what it carries itself, which may be less than its user's role."""
        return {**super().to_representation(member), "role": getattr(member, "carried", member.role)}

    @extend_schema_field(LimitsDocument)
    def get_limits(self, member: Member) -> dict[str, int | None]:
        return of_settings(member.workspace.settings).as_document()

    def get_audit_days(self, member: Member) -> int | None:
        return audit_days_in(member.workspace.settings)

    def get_run_token_scope(self, member: Member) -> str:
        return scope_in(member.workspace.settings).value

    def get_studio_url(self, member: Member) -> str:
        return str(settings.DUTO.url)

    def get_subscription_id(self, member: Member) -> str:
        return SUBSCRIPTION

    def get_resource_group(self, member: Member) -> str:
        return RESOURCE_GROUP


class WorkspaceChange(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(required=False, child=serializers.CharField(allow_blank=True))
    default_datastore = serializers.CharField(required=False)
    default_compute = serializers.CharField(required=False, allow_blank=True)
    limits = LimitsDocument(required=False)
    audit_days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LONGEST_AUDIT)
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
    last_seen_at = serializers.DateTimeField(allow_null=True, read_only=True)


class EndsOut(serializers.Serializer[Any]):
    """How much of what ends with a member's rights, as far as it does."""

    tokens = serializers.IntegerField(required=False)
    open_runs = serializers.IntegerField(required=False)
    invitations = serializers.IntegerField(required=False)
    enrolments = serializers.IntegerField(required=False)


class InvitationOut(serializers.Serializer[Any]):
    """Somebody who was invited. The member gets this id; until then `members/{id}/` changes and withdraws it.

    Without a user name it is a link for whoever holds it, `uses_left` times.
    """

    id = serializers.UUIDField()
    username = serializers.CharField()
    uses_left = serializers.IntegerField()
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
    days = serializers.IntegerField(required=False, default=1, min_value=1, max_value=MOST_DAYS)


class LinkIn(serializers.Serializer[Any]):
    role = serializers.CharField(default=Role.READER.value)
    days = serializers.IntegerField(default=7, min_value=1, max_value=MOST_DAYS)
    uses = serializers.IntegerField(default=1, min_value=1, max_value=MOST_USES)


class LinkOut(InvitationOut):
    link = serializers.CharField(help_text="The address to give away. It is shown this once.")


class ArchiveIn(serializers.Serializer[Any]):
    archived = serializers.BooleanField()


class HandOverIn(serializers.Serializer[Any]):
    member = serializers.UUIDField(help_text="The id of the member who becomes the owner.")


class AuditOut(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    person = serializers.CharField(help_text="Who answers for it: the actor, or the submitter of the run that did it.")
    actor = serializers.CharField()
    via = serializers.CharField(help_text="page, token, run or studio.")
    through = serializers.CharField(help_text="Which token or run.")
    action = serializers.CharField()
    target = serializers.CharField()
    facts = serializers.JSONField()


class MemberChange(serializers.Serializer[Any]):
    role = serializers.CharField()


class SecretOut(serializers.Serializer[Secret]):
    """A secret without its value."""

    name = serializers.CharField()
    content_type = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    changed_by = serializers.CharField()


class SecretsIn(serializers.Serializer[Any]):
    """Values by their names."""

    secrets = serializers.DictField(
        child=serializers.CharField(trim_whitespace=False, write_only=True),
        help_text="By the name of each its value.",
    )
    content_types = serializers.DictField(
        child=serializers.CharField(max_length=256, allow_blank=True), required=False,
        help_text="By names of the same what kind of value that is, for programs that want to know.",
    )  # fmt: skip


class SecretNamesIn(serializers.Serializer[Any]):
    """Whose values are asked for."""

    names = serializers.ListField(child=serializers.CharField(max_length=127), max_length=MOST_AT_ONCE)


class SecretValuesOut(serializers.Serializer[Any]):
    """Values by their names."""

    secrets = serializers.DictField(
        child=serializers.CharField(allow_null=True),
        help_text="By each name that was asked for its value; null where there is no such secret.",
    )
