"""How long a workspace keeps what its runs leave: the policy, a dry run, the action."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from runs import retention
from runs.retention import Policy
from runs.services.maintenance import retention as keeping
from workspaces.api.base import WorkspaceView
from workspaces.models import Role
from workspaces.scopes import Act

DAYS = "Days after which they go; null keeps them for ever."


class PolicyDocument(s.Serializer):  # type: ignore[type-arg]
    """What a workspace keeps for how long."""

    logs = s.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=retention.LONGEST_DAYS, help_text=DAYS
    )
    artifacts = s.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=retention.LONGEST_DAYS, help_text=DAYS
    )
    outputs = s.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=retention.LONGEST_DAYS, help_text=DAYS
    )
    attempts = s.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=retention.LONGEST_DAYS, help_text=DAYS
    )
    environments = s.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=retention.LONGEST_DAYS, help_text=DAYS
    )
    images = s.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=retention.LONGEST_DAYS, help_text=DAYS
    )
    keep_last = s.IntegerField(
        required=False,
        min_value=0,
        max_value=retention.MOST_KEPT,
        help_text="Newest completed runs of each experiment that keep all.",
    )


class PortionOut(s.Serializer):  # type: ignore[type-arg]
    kind = s.CharField()
    count = s.IntegerField()
    bytes = s.IntegerField()
    names = s.ListField(child=s.CharField())


class BreaksOut(s.Serializer):  # type: ignore[type-arg]
    steps = s.ListField(child=s.CharField(), help_text="Steps whose results could not be reused any more.")
    step_count = s.IntegerField()
    readers = s.IntegerField(help_text="Steps of other runs that show these results as their own.")


class RetentionPlanOut(s.Serializer):  # type: ignore[type-arg]
    bytes = s.IntegerField()
    frees = PortionOut(many=True)
    breaks = BreaksOut()


class RemovedOut(s.Serializer):  # type: ignore[type-arg]
    logs = s.IntegerField()
    artifacts = s.IntegerField()
    outputs = s.IntegerField()
    blobs = s.IntegerField()


class RetentionView(WorkspaceView):
    needs = {"get": Role.READER, "put": Role.OWNER}
    acts = {"get": Act.MANAGE, "put": Act.MANAGE}
    conditional = frozenset({"put"})

    @extend_schema(operation_id="retention", responses=PolicyDocument)
    def get(self, request: Request) -> Response:
        """The policy in force."""
        return self._shown(keeping.policy_of(self.context.workspace))

    @extend_schema(operation_id="retention_put", request=PolicyDocument, responses=PolicyDocument)
    def put(self, request: Request) -> Response:
        """A new policy. What is left out gets its default."""
        return self._shown(keeping.set_policy(self.context, self.asked(PolicyDocument), seen=self.seen))

    def _shown(self, policy: Policy) -> Response:
        return self.tagged(policy.as_document(), policy.as_document())


class RetentionPreviewView(WorkspaceView):
    needs = {"post": Role.READER}
    acts = {"post": Act.MANAGE}
    keeps_keys = False

    @extend_schema(operation_id="retention_preview", request=PolicyDocument, responses=RetentionPlanOut)
    def post(self, request: Request) -> Response:
        """What the policy of the body would free now and break; without a body, the policy in force. Changes nothing."""
        asked = self.asked(PolicyDocument)
        return Response(keeping.preview(self.context, retention.read(asked) if asked else None).as_document())


class RetentionApplyView(WorkspaceView):
    needs = {"post": Role.OWNER}
    acts = {"post": Act.MANAGE}
    keeps_keys = False

    @extend_schema(operation_id="retention_apply", request=None, responses=RemovedOut)
    def post(self, request: Request) -> Response:
        """Carry out the policy in force now; how many of each kind went."""
        return Response(keeping.apply(self.context))
