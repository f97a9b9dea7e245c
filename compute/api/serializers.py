"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from compute.models import ComputeTarget


class Terms(serializers.Serializer[Any]):
    """What is left out stays as it is, or is the default of a new cluster."""

    policy = serializers.CharField(required=False, help_text="`elastic` or `strict`.")
    hosts = serializers.ListField(
        child=serializers.CharField(trim_whitespace=False),
        required=False,
        help_text="Names of hosts; none: all hosts of the workspace.",
    )
    launcher = serializers.CharField(
        required=False, allow_blank=True, help_text="`process` or `docker`; empty: any host."
    )
    network = serializers.CharField(required=False, help_text="`none`, `studio` or `open`.")
    spark_master = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Where its Spark steps run: `spark://host:port`, `local[4]`, or empty for all cores of the step's node.",
    )
    container_options = serializers.DictField(
        required=False, help_text="What is relaxed of the hardened options of containers; for owners only."
    )


class TargetIn(Terms):
    name = serializers.CharField(max_length=64)
    vm_size = serializers.CharField(max_length=64, allow_blank=True)
    min_nodes = serializers.IntegerField(required=False, default=0)
    max_nodes = serializers.IntegerField(required=False, default=4)
    idle_seconds = serializers.IntegerField(required=False, default=1800)
    vm_priority = serializers.CharField(required=False, default="dedicated")
    type = serializers.ChoiceField(
        ComputeTarget.Type.choices,
        required=False,
        default=ComputeTarget.Type.CLUSTER,
        help_text="The class that programs know it by; all are clusters.",
    )
    description = serializers.CharField(required=False, default="", allow_blank=True)
    tags = serializers.DictField(required=False, default=dict)


class TargetChange(Terms):
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
    hosts = serializers.ListField(child=serializers.CharField(trim_whitespace=False))
    launcher = serializers.CharField()
    network = serializers.CharField()
    spark_master = serializers.CharField()
    container_options = serializers.JSONField()
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
