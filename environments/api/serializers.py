"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from environments import stored_messages
from environments.models import Environment, EnvironmentBuild, EnvironmentVersion
from environments.services import versions


class BuildOut(serializers.Serializer[EnvironmentBuild]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(EnvironmentBuild.Status.choices)
    python = serializers.CharField()
    message = serializers.CharField(source="localized_message")
    reason = serializers.CharField(source="localized_reason")
    warnings = serializers.ListField(child=serializers.CharField(), source="localized_warnings")
    log_size = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class BuildDetail(BuildOut):
    recipe = serializers.JSONField()
    lock = serializers.CharField()
    lock_digest = serializers.CharField()


class EnvironmentVersionRow(serializers.Serializer[EnvironmentVersion]):
    """A version without its lock, for lists."""

    id = serializers.UUIDField()
    name = serializers.CharField(source="environment.name", allow_null=True)
    version = serializers.CharField()
    definition = serializers.SerializerMethodField()
    digest = serializers.CharField()
    recipe_digest = serializers.CharField()
    created_at = serializers.DateTimeField()
    build = BuildOut(allow_null=True)

    def get_definition(self, version: EnvironmentVersion) -> dict[str, Any]:
        """Without a curated environment's locks: they are long, and `lock` is the one that counts."""
        return {key: value for key, value in version.definition.items() if key != "locks"}


class EnvironmentVersionOut(EnvironmentVersionRow):
    lock = serializers.CharField(source="build.lock", allow_null=True)
    lock_digest = serializers.CharField(source="build.lock_digest", allow_null=True)
    note = serializers.SerializerMethodField()

    def get_note(self, version: EnvironmentVersion) -> str:
        """That it stands in for one of Azure's, which is what was asked for; else empty."""
        notes = versions.notes_of(version, {"name": self.context.get("asked")})
        return "".join(stored_messages.localized(each) for each in notes)


class EnvironmentOut(serializers.Serializer[Environment]):
    name = serializers.CharField()
    is_curated = serializers.BooleanField()
    latest_version = serializers.CharField()
    created_at = serializers.DateTimeField()
    latest = serializers.SerializerMethodField()

    def get_latest(self, environment: Any) -> dict[str, Any] | None:
        newest = environment.newest
        if not newest:
            return None
        newest[0].environment = environment
        return dict(EnvironmentVersionRow(newest[0]).data)


class DefinitionIn(serializers.Serializer[Any]):
    """A definition (docs/wire.md, *Graph document*); the service reads it whole."""

    name = serializers.CharField(max_length=255, trim_whitespace=False)
    python = serializers.JSONField(default=dict)
    variables = serializers.JSONField(default=dict)
    docker = serializers.JSONField(required=False, default=None, allow_null=True)
