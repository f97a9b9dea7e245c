"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from runs.api import (
    clusters,
    code,
    drafts,
    experiments,
    images,
    launches,
    logs,
    palette,
    plans,
    records,
    resume,
    retention,
    runs,
    studio,
    trials,
    trigger,
    usage,
    uses,
    workspaces,
)

W = "workspaces/<slug:workspace>/"
RUN = f"{W}runs/<uuid:id>/"
# The addresses that programs have written down: their shape is Azure ML's, and programs cut and glue them as text.
PIPELINE_RUNS = (
    "pipelines/v1.0/subscriptions/<str:subscription>/resourceGroups/<str:group>/providers/"
    "Microsoft.MachineLearningServices/workspaces/<slug:workspace>/PipelineRuns/"
)
TRIGGER = f"{PIPELINE_RUNS}PipelineSubmit/<uuid:id>"
ENDPOINT = f"{PIPELINE_RUNS}PipelineEndpointSubmit/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("studio/health/", studio.HealthView.as_view(), name="api-studio-health"),
    path("studio/workspaces/", studio.StudioWorkspacesView.as_view(), name="api-studio-workspaces"),
    path("studio/people/", studio.PeopleView.as_view(), name="api-studio-people"),
    path("studio/people/<uuid:id>/", studio.PersonView.as_view(), name="api-studio-person"),
    path("studio/message/", studio.MessageView.as_view(), name="api-studio-banner"),
    path("workspaces/", workspaces.WorkspacesView.as_view(), name="api-workspaces"),
    path(f"{W}use/", workspaces.WorkspaceUseView.as_view(), name="api-workspace-use"),
    path(f"{W}delete-preview/", workspaces.DeletePreviewView.as_view(), name="api-workspace-delete-preview"),
    path(f"{W}experiments/", experiments.ExperimentsView.as_view(), name="api-experiments"),
    path(f"{W}experiments/<path:name>/", experiments.ExperimentView.as_view(), name="api-experiment"),
    path(f"{W}blobs/missing/", code.MissingBlobsView.as_view(), name="api-blobs-missing"),
    path(f"{W}blobs/<str:digest>/", code.BlobView.as_view(), name="api-blob"),
    path(f"{W}snapshots/", code.SnapshotsView.as_view(), name="api-snapshots"),
    path(f"{W}snapshots/<str:digest>/", code.SnapshotView.as_view(), name="api-snapshot"),
    path(f"{W}snapshots/<str:digest>/archive/", code.SnapshotArchiveView.as_view(), name="api-snapshot-archive"),
    path(f"{W}snapshots/<str:digest>/files/<file:path>", code.SnapshotFileView.as_view(), name="api-snapshot-file"),
    path(f"{W}runs/", runs.RunsView.as_view(), name="api-runs"),
    path(RUN, runs.RunDetailView.as_view(), name="api-run"),
    path(f"{RUN}delete-preview/", runs.DeletePreviewView.as_view(), name="api-run-delete-preview"),
    path(f"{RUN}cancel/", runs.CancelView.as_view(), name="api-run-cancel"),
    path(f"{RUN}complete/", runs.CompleteView.as_view(), name="api-run-complete"),
    path(f"{RUN}fail/", runs.FailView.as_view(), name="api-run-fail"),
    path(f"{RUN}resubmit/", runs.ResubmitView.as_view(), name="api-run-resubmit"),
    path(f"{RUN}resume/", resume.ResumeView.as_view(), name="api-run-resume"),
    path(f"{RUN}resume-preview/", resume.ResumePreviewView.as_view(), name="api-run-resume-preview"),
    path(f"{W}plan/", plans.PlanView.as_view(), name="api-plan"),
    path(f"{RUN}plan/", plans.RunPlanView.as_view(), name="api-run-plan"),
    path(f"{W}pipelines/<uuid:id>/plan/", plans.PipelinePlanView.as_view(), name="api-pipeline-plan"),
    path(f"{W}endpoints/<uuid:id>/plan/", plans.EndpointPlanView.as_view(), name="api-endpoint-plan"),
    path(f"{RUN}steps/", runs.StepsView.as_view(), name="api-run-steps"),
    path(f"{RUN}trials/", trials.TrialsView.as_view(), name="api-run-trials"),
    path(f"{RUN}children/", runs.ChildrenView.as_view(), name="api-run-children"),
    path(f"{RUN}graph/", runs.GraphView.as_view(), name="api-run-graph"),
    path(f"{RUN}inputs/", uses.RunInputsView.as_view(), name="api-run-inputs"),
    path(f"{RUN}reuse/", runs.ReuseView.as_view(), name="api-run-reuse"),
    path(f"{RUN}launch/", launches.LaunchView.as_view(), name="api-run-launch"),
    path(f"{RUN}log/", logs.LogView.as_view(), name="api-run-log"),
    path(f"{RUN}log/search/", logs.LogSearchView.as_view(), name="api-run-log-search"),
    path(f"{RUN}usage/", usage.UsageView.as_view(), name="api-run-usage"),
    path(f"{RUN}metrics/points/", records.MetricPointsView.as_view(), name="api-run-metric-points"),
    path(f"{RUN}metrics/", records.MetricsView.as_view(), name="api-run-metrics"),
    path(f"{RUN}artifacts/", records.ArtifactsView.as_view(), name="api-run-artifacts"),
    path(f"{RUN}artifacts/<file:path>", records.ArtifactView.as_view(), name="api-run-artifact"),
    path(f"{RUN}outputs/", records.OutputsView.as_view(), name="api-run-outputs"),
    path(f"{RUN}outputs/<str:name>/files/", records.OutputFilesView.as_view(), name="api-run-output-files"),
    path(f"{RUN}outputs/<str:name>/files/<file:path>", records.OutputFileView.as_view(), name="api-run-output-file"),
    path(f"{RUN}compare-code/<uuid:other>/", code.CompareCodeView.as_view(), name="api-run-compare-code"),
    path(f"{W}images/", images.ImagesView.as_view(), name="api-images"),
    path(f"{W}images/<uuid:id>/", images.ImageView.as_view(), name="api-image"),
    path(f"{W}images/<uuid:id>/cancel/", images.ImageCancelView.as_view(), name="api-image-cancel"),
    path(f"{W}retention/", retention.RetentionView.as_view(), name="api-retention"),
    path(f"{W}retention/preview/", retention.RetentionPreviewView.as_view(), name="api-retention-preview"),
    path(f"{W}retention/apply/", retention.RetentionApplyView.as_view(), name="api-retention-apply"),
    path(f"{W}compute/<str:name>/usage/", clusters.ClusterUsageView.as_view(), name="api-compute-usage"),
    path(f"{W}compute/<str:name>/nodes/<uuid:node>/", clusters.NodeView.as_view(), name="api-compute-node"),
    path(f"{W}dataset-versions/<uuid:id>/uses/", uses.DatasetUsesView.as_view(), name="api-dataset-version-uses"),
    path(f"{W}models/<str:name>/versions/<str:version>/uses/", uses.ModelUsesView.as_view(), name="api-model-uses"),
    path(
        f"{W}environments/<str:name>/versions/<str:version>/uses/",
        uses.EnvironmentUsesView.as_view(),
        name="api-environment-uses",
    ),
    path(f"{W}compute/<str:name>/uses/", uses.ClusterUsesView.as_view(), name="api-compute-uses"),
    path(f"{W}hosts/<str:name>/uses/", uses.HostUsesView.as_view(), name="api-host-uses"),
    path(f"{W}palette/", palette.PaletteView.as_view(), name="api-palette"),
    path(f"{W}drafts/<uuid:id>/check/", drafts.DraftCheckView.as_view(), name="api-draft-check"),
    path(f"{W}drafts/<uuid:id>/plan/", drafts.DraftPlanView.as_view(), name="api-draft-plan"),
    path(f"{W}drafts/<uuid:id>/submit/", drafts.DraftSubmitView.as_view(), name="api-draft-submit"),
    path(TRIGGER, trigger.TriggerView.as_view(), name="api-pipeline-trigger"),
    path(f"{ENDPOINT}Id/<uuid:id>", trigger.EndpointTriggerView.as_view(), name="api-endpoint-trigger"),
    path(
        f"{ENDPOINT}Id/<uuid:id>/<str:version>",
        trigger.EndpointVersionTriggerView.as_view(),
        name="api-endpoint-version-trigger",
    ),
    path(f"{ENDPOINT}Name", trigger.NamedEndpointTriggerView.as_view(), name="api-named-endpoint-trigger"),
    # The same as programs put them together: ids in capitals, a slash at the end. docs/openapi.yaml has them once.
    path(f"{PIPELINE_RUNS}PipelineSubmit/<guid:id>", trigger.TriggerView.as_view(schema=None)),
    path(f"{ENDPOINT}Id/<guid:id>", trigger.EndpointTriggerView.as_view(schema=None)),
    path(f"{ENDPOINT}Id/<guid:id>/<last:version>", trigger.EndpointVersionTriggerView.as_view(schema=None)),
    path(f"{ENDPOINT}Name/", trigger.NamedEndpointTriggerView.as_view(schema=None)),
]
