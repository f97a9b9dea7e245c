"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class TargetIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=64)
    vm_size = serializers.CharField(max_length=64, allow_blank=True)
    min_nodes = serializers.IntegerField(required=False, default=0)
    max_nodes = serializers.IntegerField(required=False, default=4)
    idle_seconds = serializers.IntegerField(required=False, default=1800)
    vm_priority = serializers.CharField(required=False, default="dedicated")
    description = serializers.CharField(required=False, default="", allow_blank=True)
    tags = serializers.DictField(required=False, default=dict)


class TargetChange(serializers.Serializer[Any]):
    min_nodes = serializers.IntegerField(required=False)
    max_nodes = serializers.IntegerField(required=False)
    idle_seconds = serializers.IntegerField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(required=False)


class WarningOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    text = serializers.CharField()


class TargetOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    type = serializers.CharField()
    description = serializers.CharField()
    vm_size = serializers.CharField()
    vm_priority = serializers.CharField()
    cores = serializers.FloatField()
    memory = serializers.IntegerField()
    gpus = serializers.IntegerField()
    min_nodes = serializers.IntegerField()
    max_nodes = serializers.IntegerField()
    idle_seconds = serializers.IntegerField()
    policy = serializers.CharField()
    tags = serializers.JSONField()
    created_at = serializers.DateTimeField()
    modified_at = serializers.DateTimeField()
    provisioning_state = serializers.CharField()
    status = serializers.JSONField(help_text="The 13 keys of `status.serialize()`.")
    warnings = WarningOut(many=True)


class NodeOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.CharField()
    host = serializers.CharField()
    run = serializers.UUIDField(allow_null=True)
    cores = serializers.FloatField()
    memory = serializers.IntegerField()
    gpus = serializers.JSONField()
    warning = serializers.CharField()
    idle_since = serializers.DateTimeField(allow_null=True)


class TargetDetail(TargetOut):
    nodes = NodeOut(many=True)
