"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from pipelines.models import PublishedPipeline


class PipelineIn(serializers.Serializer[Any]):
    """Either a graph or a run to take it from."""

    name = serializers.CharField(max_length=255, trim_whitespace=False)
    description = serializers.CharField(required=False, default="", allow_blank=True, allow_null=True)
    version = serializers.CharField(required=False, default="", allow_blank=True, allow_null=True, max_length=64)
    graph = serializers.JSONField(required=False, default=None)
    run_id = serializers.UUIDField(required=False, default=None, allow_null=True)
    continue_on_step_failure = serializers.BooleanField(required=False, default=None, allow_null=True)


class PipelineChange(serializers.Serializer[Any]):
    status = serializers.ChoiceField(PublishedPipeline.Status.choices)


class PipelineOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.CharField()
    status = serializers.CharField()
    endpoint = serializers.CharField(help_text="Where a POST starts it.")
    url = serializers.CharField(help_text="Its page.")
    graph_id = serializers.CharField()
    parameters = serializers.JSONField()
    total_run_steps = serializers.IntegerField()
    continue_on_step_failure = serializers.BooleanField()
    source_run_id = serializers.UUIDField(allow_null=True)
    published_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_run_id = serializers.UUIDField(allow_null=True)
    last_run_at = serializers.DateTimeField(allow_null=True)


class PipelineDetail(PipelineOut):
    graph = serializers.JSONField()
