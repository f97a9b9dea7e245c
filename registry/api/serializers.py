"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from registry.queries import STATES


class BlobIn(serializers.Serializer[Any]):
    path = serializers.CharField(trim_whitespace=False)
    digest = serializers.CharField(trim_whitespace=False)
    size = serializers.IntegerField(required=False)


class ModelIn(serializers.Serializer[Any]):
    """Files that were sent as blobs, or artifacts of a run; a multipart form carries the files themselves."""

    name = serializers.CharField(max_length=255, trim_whitespace=False)
    files = BlobIn(many=True, required=False)
    run_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    path = serializers.CharField(required=False, default="", allow_blank=True)
    description = serializers.CharField(required=False, default="", allow_blank=True, allow_null=True)
    framework = serializers.CharField(required=False, default="", allow_blank=True, allow_null=True)
    framework_version = serializers.CharField(required=False, default="", allow_blank=True, allow_null=True)
    tags = serializers.DictField(required=False, default=dict)
    properties = serializers.DictField(required=False, default=dict)
    datasets = serializers.DictField(required=False, default=dict)


class ModelChange(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(required=False)
    properties = serializers.DictField(required=False)
    datasets = serializers.DictField(required=False)


class ModelOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    description = serializers.CharField()
    framework = serializers.CharField()
    framework_version = serializers.CharField()
    tags = serializers.JSONField()
    properties = serializers.JSONField()
    datasets = serializers.JSONField()
    run_id = serializers.UUIDField(allow_null=True)
    experiment = serializers.CharField()
    is_file = serializers.BooleanField()
    file_count = serializers.IntegerField()
    size = serializers.IntegerField()
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class ModelDetail(ModelOut):
    state = serializers.ChoiceField(
        STATES, help_text="What became of its files since it was registered: of the one that fares worst."
    )


class ModelFileOut(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField()
    digest = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(
        STATES,
        help_text="What became of it since it was registered. `touched`: written anew with the same size, and too large "
        "to be compared here; its download compares it.",
    )
