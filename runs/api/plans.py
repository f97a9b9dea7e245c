"""Plans: what a submit would do, asked for with the body of the submit. They write nothing, so that a key is kept for none."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Invalid
from pipelines import queries as pipelines
from pipelines.models import PublishedPipeline
from runs.api import serializers as s
from runs.api.base import RunView
from runs.api.trigger import VERSION, asked_of, version_of
from runs.models import Run
from runs.services.planning.plan import ENVIRONMENT, LATER, NOW, WAITS
from runs.services.planning.plan_run import plan_run
from runs.services.submission import publish
from runs.services.submission.resume import check as resumable
from runs.services.submission.resume import resumption_of
from runs.services.submission.submit import resubmission_of
from workspaces.models import Role
from workspaces.scopes import Act

OUTCOMES = ("reused", "runs", "unknown", "fails", "skipped")
STARTS = (NOW, WAITS, ENVIRONMENT, LATER)
STATES = ("ready", "building", "to_build", "user_managed")


class PlanIn(s.RunIn):
    """As a submit, and what a program would bring before it submits."""

    snapshots = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        default=list,
        max_length=1000,
        help_text="Manifests of code that is not uploaded.",
    )
    datasets = serializers.DictField(
        required=False,
        default=dict,
        help_text="Datasets that are not saved: `kind` and `definition` by the id that stands for each in the graph.",
    )


class TriggerPlanIn(s.TriggerIn):
    RegenerateOutputs = serializers.BooleanField(required=False, default=False)
    Datasets = serializers.DictField(
        required=False,
        default=dict,
        help_text="Those among the parameters that are not saved, as of a plan of a graph.",
    )


class RunPlanIn(s.ResubmitIn):
    resume = serializers.BooleanField(
        required=False, default=False, help_text="Of resuming the failed or canceled run, not of running it again."
    )


class EstimateOut(serializers.Serializer):  # type: ignore[type-arg]
    low = serializers.FloatField(help_text="The 10th percentile, in seconds.")
    median = serializers.FloatField()
    high = serializers.FloatField(help_text="The 90th percentile.")
    count = serializers.IntegerField(
        help_text="Of so many earlier ones; of a whole run the fewest of any of its steps."
    )


class PlannedStepOut(serializers.Serializer):  # type: ignore[type-arg]
    node = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    outcome = serializers.ChoiceField(OUTCOMES)
    code = serializers.CharField()
    text = serializers.CharField()
    differences = serializers.ListField(child=serializers.DictField())
    compared_with = serializers.DictField(allow_null=True)
    compute = serializers.CharField()
    environment = serializers.CharField(allow_null=True)
    start = serializers.ChoiceField(
        STARTS, allow_null=True, help_text="When it gets its place; null where nothing starts."
    )
    host = serializers.CharField(allow_null=True, help_text="That of its first node.")
    nodes = serializers.IntegerField(help_text="How many it asks for; a parallel step begins with one.")
    waits_for = serializers.ListField(child=serializers.CharField(), help_text="Codes of the reasons of its cluster.")
    seconds = EstimateOut(allow_null=True)
    begins = serializers.FloatField(help_text="By the medians, in seconds from now.")
    ends = serializers.FloatField()


class PlanCounts(serializers.Serializer):  # type: ignore[type-arg]
    reused = serializers.IntegerField()
    runs = serializers.IntegerField()
    unknown = serializers.IntegerField()
    fails = serializers.IntegerField()
    skipped = serializers.IntegerField()


class PlannedDataOut(serializers.Serializer):  # type: ignore[type-arg]
    dataset = serializers.CharField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    datastore = serializers.CharField(allow_null=True)
    path = serializers.CharField(allow_null=True)
    file_count = serializers.IntegerField(allow_null=True)
    size = serializers.IntegerField(allow_null=True, help_text="Bytes.")
    steps = serializers.IntegerField(help_text="How many steps that run, or may, read it.")


class PlannedEnvironmentOut(serializers.Serializer):  # type: ignore[type-arg]
    name = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    seconds = EstimateOut(allow_null=True, help_text="How long it goes on until it is built, by earlier builds.")
    steps = serializers.IntegerField()


class PlannedClusterOut(serializers.Serializer):  # type: ignore[type-arg]
    name = serializers.CharField()
    steps = serializers.IntegerField()
    nodes = serializers.IntegerField()
    starts = serializers.IntegerField()
    waits = serializers.IntegerField()
    hosts = serializers.ListField(child=serializers.CharField())
    reasons = serializers.ListField(child=serializers.DictField())


class PlanFinish(serializers.Serializer):  # type: ignore[type-arg]
    low = serializers.DateTimeField()
    median = serializers.DateTimeField()
    high = serializers.DateTimeField()


class PlanExpected(serializers.Serializer):  # type: ignore[type-arg]
    seconds = EstimateOut(allow_null=True)
    finish = PlanFinish(allow_null=True)
    path = serializers.ListField(child=serializers.CharField(), help_text="The steps that decide how long it takes.")
    without_history = serializers.IntegerField(help_text="Steps of which nothing is known; they count as nothing.")


class PlanOut(serializers.Serializer):  # type: ignore[type-arg]
    steps = PlannedStepOut(many=True)
    counts = PlanCounts()
    data = PlannedDataOut(many=True)  # type: ignore[assignment]
    environments = PlannedEnvironmentOut(many=True)
    clusters = PlannedClusterOut(many=True)
    expected = PlanExpected()
    warnings = serializers.ListField(child=serializers.CharField())


class PlanView(RunView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(operation_id="plan", request=PlanIn, responses=PlanOut)
    def post(self, request: Request) -> Response:
        """What submitting this would do. Nothing is written."""
        asked = self.asked(PlanIn)
        if "graph" not in asked:
            raise Invalid("A plan is made of a 'graph'.", code="no_graph")
        resumed = self.run(asked["resume_from"]) if asked["resume_from"] else None
        if resumed is not None and asked["kind"] != Run.Kind.PIPELINE:
            raise Invalid("Only a pipeline run can resume another.", code="not_resumable")
        plan = plan_run(
            self.context,
            experiment=asked["experiment"],
            graph=asked["graph"],
            kind=asked["kind"],
            parameters=asked["parameters"],
            regenerate_outputs=asked["regenerate_outputs"],
            priority=asked["priority"],
            resumed_from=resumable(resumed) if resumed is not None else None,
            snapshots_to_come=asked["snapshots"],
            datasets_to_come=asked["datasets"],
        )
        return Response(plan.as_document())


class RunPlanView(RunView):
    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    @extend_schema(operation_id="run_plan", request=RunPlanIn, responses=PlanOut)
    def post(self, request: Request, id: UUID) -> Response:
        """What running the graph again would do, or resuming the run. Nothing is written."""
        asked = self.asked(RunPlanIn)
        run, values = self.run(id), asked["parameters"] or {}
        submission = (
            resumption_of(run, values)
            if asked["resume"]
            else resubmission_of(self.context, run, values, regenerate_outputs=asked["regenerate_outputs"])
        )
        return Response(plan_run(self.context, **submission).as_document())


class _PublishedPlanView(RunView):
    """Takes the body that the address takes."""

    needs = {"post": Role.CONTRIBUTOR}
    acts = {"post": Act.SUBMIT}
    keeps_keys = False

    def planned(self, pipeline: PublishedPipeline) -> Response:
        asked = self.asked(TriggerPlanIn)
        words = {**asked_of(asked), "regenerate_outputs": asked["RegenerateOutputs"]}
        submission = publish.submission_of(pipeline, **words)
        return Response(plan_run(self.context, **submission, datasets_to_come=asked["Datasets"]).as_document())


class PipelinePlanView(_PublishedPlanView):
    @extend_schema(operation_id="pipeline_plan", request=TriggerPlanIn, responses=PlanOut)
    def post(self, request: Request, id: UUID) -> Response:
        """What running a published pipeline would do. Nothing is written."""
        return self.planned(publish.get_published(self.context, id))


class EndpointPlanView(_PublishedPlanView):
    @extend_schema(operation_id="endpoint_plan", parameters=[VERSION], request=TriggerPlanIn, responses=PlanOut)
    def post(self, request: Request, id: UUID) -> Response:
        """What calling an endpoint would do. Nothing is written."""
        endpoint = pipelines.endpoint(self.context.workspace, id)
        return self.planned(publish.version_to_run(endpoint, version_of(request)).pipeline)
