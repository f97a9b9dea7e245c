"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from pipelines.models import Module, PipelineEndpoint, PublishedPipeline
from pipelines.services.endpoint_access import RUNS_PER_HOUR
from workspaces.models import ApiToken
from workspaces.services.tokens import MAX_DAYS, MAX_RUNS_PER_HOUR


@extend_schema_field({"oneOf": [{"type": "string", "pattern": "^[0-9]{1,9}$"}, {"type": "integer", "minimum": 0}]})
class VersionNumber(serializers.Field[int, Any, str, Any]):
    """The version of an endpoint: answers give it as text, as Azure ML does, and it comes back as text or number."""

    def to_internal_value(self, data: Any) -> int:
        text = str(int(data)) if isinstance(data, float) and data.is_integer() else str(data)
        if isinstance(data, bool) or not (text.isascii() and text.isdecimal()) or len(text) > 9:
            raise serializers.ValidationError("A version of an endpoint is a whole number from 0 on, such as 2 or '2'.")
        return int(text)

    def to_representation(self, value: int) -> str:
        return str(value)


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


class EndpointIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=255)
    description = serializers.CharField(required=False, default="", allow_blank=True, allow_null=True)
    pipeline = serializers.UUIDField(help_text="The published pipeline that is version 0 and the default.")


class EndpointChange(serializers.Serializer[Any]):
    """What is left out stays."""

    name = serializers.CharField(required=False, max_length=255)
    description = serializers.CharField(required=False, allow_blank=True)
    status = serializers.ChoiceField(PipelineEndpoint.Status.choices, required=False)
    default_version = VersionNumber(required=False, help_text="A whole number, also as the text that an answer has.")


class EndpointOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    status = serializers.CharField()
    default_version = serializers.CharField(help_text="A whole number as text.")
    endpoint = serializers.CharField(help_text="Where a POST starts it.")
    url = serializers.CharField(help_text="Its page.")
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class _EndpointLimits(serializers.Serializer[Any]):
    """For how long it lasts, and how often it starts a run."""

    expires_in_days = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=MAX_DAYS, help_text="Null: no end."
    )
    runs_per_hour = serializers.IntegerField(
        required=False, default=RUNS_PER_HOUR, min_value=1, max_value=MAX_RUNS_PER_HOUR
    )


class EndpointTokenIn(_EndpointLimits):
    name = serializers.CharField(max_length=120, help_text="Whom it is for.")
    any_version = serializers.BooleanField(
        required=False, default=False, help_text="It may name a version; without it the default one runs."
    )


class EndpointTokenOut(serializers.Serializer[ApiToken]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    created_by = serializers.CharField(source="user.username")
    any_version = serializers.BooleanField(source="endpoint.any_version")
    runs_per_hour = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class EndpointMintedOut(EndpointTokenOut):
    token = serializers.CharField(help_text="The token itself. It is shown this once.")


class EndpointFormIn(_EndpointLimits):
    """How long the link of a form lasts, and how often it starts a run."""


class EndpointFormOut(serializers.Serializer[ApiToken]):
    id = serializers.UUIDField()
    created_by = serializers.CharField(source="user.username")
    runs_per_hour = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class EndpointFormOpened(EndpointFormOut):
    url = serializers.CharField(help_text="The link. It is shown this once.")


class EndpointVersionIn(serializers.Serializer[Any]):
    pipeline = serializers.UUIDField()
    is_default = serializers.BooleanField(required=False, default=False)


class EndpointVersionOut(serializers.Serializer[Any]):
    version = serializers.CharField(help_text="A whole number as text, counted from 0.")
    is_default = serializers.BooleanField()
    pipeline = PipelineOut()
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class _DraftWords(serializers.Serializer[Any]):
    """What is said of a draft."""

    name = serializers.CharField(required=False, max_length=255)
    description = serializers.CharField(required=False, allow_blank=True)
    experiment = serializers.CharField(
        required=False, allow_blank=True, max_length=255, trim_whitespace=False, help_text="Empty: called as the draft."
    )
    parameters = serializers.DictField(required=False, help_text="All values that are others than the defaults.")
    priority = serializers.IntegerField(required=False, min_value=-100, max_value=100)
    continue_on_step_failure = serializers.BooleanField(required=False)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    properties = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    graph = serializers.JSONField(required=False, help_text="A new graph as a whole.")
    steps = serializers.DictField(
        child=serializers.DictField(),
        required=False,
        help_text="By the id of a step `{arguments, compute, environment, allow_reuse, run_after}`; what is left out stays.",
    )
    defaults = serializers.DictField(required=False, help_text="Defaults by the names of parameters.")


class DraftChange(_DraftWords):
    """What is left out stays."""

    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The version that was seen; refused where it is another now.",
    )


class DraftIn(_DraftWords):
    """Exactly one of `graph`, `run_id`, `pipeline_id` and `draft_id`; what else is said stands before what is copied."""

    run_id = serializers.UUIDField(required=False, allow_null=True)
    pipeline_id = serializers.UUIDField(required=False, allow_null=True)
    draft_id = serializers.UUIDField(required=False, allow_null=True)


class DraftPublishIn(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=255, help_text="Empty: the draft's."
    )
    description = serializers.CharField(
        required=False, default=None, allow_null=True, allow_blank=True, help_text="Left out: the draft's."
    )
    version = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)


class DraftOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    experiment = serializers.CharField()
    kind = serializers.CharField(help_text="Of the runs that it makes.")
    parameters = serializers.DictField()
    continue_on_step_failure = serializers.BooleanField()
    priority = serializers.IntegerField()
    tags = serializers.DictField()
    properties = serializers.DictField()
    version = serializers.IntegerField(help_text="Grows with each change.")
    total_run_steps = serializers.IntegerField()
    url = serializers.CharField(help_text="Its page.")
    of_run_id = serializers.UUIDField(allow_null=True)
    of_pipeline_id = serializers.UUIDField(allow_null=True)
    of_draft_id = serializers.UUIDField(allow_null=True)
    last_run_id = serializers.UUIDField(allow_null=True)
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    changed_by = serializers.CharField(allow_null=True)
    changed_at = serializers.DateTimeField()


class DraftDetail(DraftOut):
    graph = serializers.JSONField()


class ModuleIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=255)
    description = serializers.CharField(required=False, default="", allow_blank=True)


class ModuleChange(serializers.Serializer[Any]):
    """What is left out stays."""

    name = serializers.CharField(required=False, max_length=255)
    description = serializers.CharField(required=False, allow_blank=True)
    status = serializers.ChoiceField(Module.Status.choices, required=False)
    default_version = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="Empty: the newest that is active."
    )


class ModuleOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    status = serializers.CharField()
    default_version = serializers.CharField()
    url = serializers.CharField(help_text="Its page.")
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class ModuleVersionIn(serializers.Serializer[Any]):
    definition = serializers.DictField(help_text="What a step is made of (docs/wire.md, Modules).")
    version = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=64, help_text="Empty: the next whole number."
    )
    description = serializers.CharField(required=False, default="", allow_blank=True)
    is_default = serializers.BooleanField(required=False, default=False)


class ModuleVersionChange(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    status = serializers.ChoiceField(Module.Status.choices, required=False)


class ModuleVersionOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    module = serializers.UUIDField()
    name = serializers.CharField(help_text="The name of the module.")
    version = serializers.CharField()
    description = serializers.CharField()
    status = serializers.CharField()
    definition = serializers.JSONField()
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
