"""Addresses below `/w/<workspace>/`: home, runs, experiments, published pipelines."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from runs.web import (
    actions,
    drafts,
    endpoint_tokens,
    endpoints,
    experiments,
    files,
    forms_views,
    home,
    images,
    lists,
    modules,
    published,
    resume,
    retention,
    run,
    uses,
    waits,
    workspaces,
)

_runs = [
    path("", lists.index, name="list"),
    path("selected/", actions.selected, name="selected"),
    path("of/environment/", uses.environment, name="uses-environment"),
    path("of/environments/<uuid:version>/images/", images.of_environment, name="images-of-environment"),
    path("of/images/<uuid:image>/cancel/", images.cancel, name="cancel-image"),
    path("of/cluster/<str:name>/nodes/<uuid:node>/remove/", actions.remove_node, name="remove-node"),
    path("of/cluster/", uses.cluster, name="holds-cluster"),
    path("of/cluster/steps/", uses.steps_of_cluster, name="uses-cluster"),
    path("of/host/", uses.host, name="holds-host"),
    path("of/host/steps/", uses.steps_of_host, name="uses-host"),
    path("of/dataset/", uses.dataset, name="uses-dataset"),
    path("of/model/", uses.model, name="uses-model"),
    path("<uuid:run_id>/", run.page, name="run"),
    path("<uuid:run_id>/waiting/", waits.fragment, name="waiting"),
    path("<uuid:run_id>/cancel/", actions.cancel, name="cancel"),
    path("<uuid:run_id>/resubmit/", actions.resubmit, name="resubmit"),
    path("<uuid:run_id>/archive/", actions.archive, name="archive"),
    path("<uuid:run_id>/plan/", forms_views.plan, name="plan"),
    path("<uuid:run_id>/resume/", resume.dialog, name="resume"),
    path("<uuid:run_id>/publish/", forms_views.publish, name="publish"),
    path("<uuid:run_id>/delete/", forms_views.delete, name="delete"),
    path("<uuid:run_id>/artifacts/<file:path>", files.artifact, name="artifact"),
    path("<uuid:run_id>/framed/<file:path>", files.framed, name="framed"),
    path("<uuid:run_id>/outputs/<str:output>/<file:path>", files.output, name="output-file"),
    path("<uuid:run_id>/snapshot.zip", files.snapshot, name="snapshot"),
]
_experiments = [
    path("", experiments.index, name="list"),
    path("<path:name>/", experiments.detail, name="experiment"),
]
_pipelines = [
    path("", published.index, name="list"),
    path("<uuid:pipeline_id>/", published.detail, name="pipeline"),
    path("<uuid:pipeline_id>/status/", published.status, name="status"),
]
_endpoints = [
    path("", endpoints.index, name="list"),
    path("new/", endpoints.create, name="create"),
    path("<uuid:endpoint_id>/", endpoints.detail, name="endpoint"),
    path("<uuid:endpoint_id>/add/", endpoints.add, name="add"),
    path("<uuid:endpoint_id>/change/", endpoints.change, name="change"),
    path("<uuid:endpoint_id>/tokens/create/", endpoint_tokens.create, name="create-token"),
    path("<uuid:endpoint_id>/tokens/<uuid:token_id>/revoke/", endpoint_tokens.revoke, name="revoke-token"),
    path("<uuid:endpoint_id>/form/open/", endpoint_tokens.open_form, name="open-form"),
    path("<uuid:endpoint_id>/form/close/", endpoint_tokens.close_form, name="close-form"),
]
_drafts = [
    path("", drafts.index, name="list"),
    path("new/", drafts.create, name="create"),
    path("selected/", drafts.selected, name="selected"),
    path("<uuid:draft_id>/", drafts.detail, name="draft"),
    path("<uuid:draft_id>/steps/<int:place>/", drafts.step, name="step"),
    path("<uuid:draft_id>/publish/", drafts.publish, name="publish"),
    path("<uuid:draft_id>/delete/", drafts.delete, name="delete"),
]
_modules = [
    path("", modules.index, name="list"),
    path("<uuid:module_id>/", modules.detail, name="module"),
]
_retention = [
    path("", retention.page, name="page"),
    path("save/", retention.save, name="save"),
    path("apply/", retention.apply, name="apply"),
]
_workspace = [
    path("", workspaces.page, name="page"),
    path("save/", workspaces.save, name="save"),
    path("limits/", workspaces.limit, name="limits"),
    path("archive/", workspaces.archive, name="archive"),
    path("hand-over/", workspaces.hand_over, name="hand-over"),
    path("leave/", workspaces.leave, name="leave"),
    path("delete/", workspaces.delete, name="delete"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("sample/", home.sample, name="sample"),
    path("runs/", include((_runs, "runs"))),
    path("experiments/", include((_experiments, "experiments"))),
    path("pipelines/", include((_pipelines, "pipelines"))),
    path("endpoints/", include((_endpoints, "endpoints"))),
    path("drafts/", include((_drafts, "drafts"))),
    path("modules/", include((_modules, "modules"))),
    path("settings/workspace/", include((_workspace, "workspace"))),
    path("settings/retention/", include((_retention, "retention"))),
]
