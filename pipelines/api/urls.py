"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from pipelines.api import drafts, endpoints, modules, views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}pipelines/", views.PipelinesView.as_view(), name="api-pipelines"),
    path(f"{W}pipelines/<uuid:id>/", views.PipelineView.as_view(), name="api-pipeline"),
    path(f"{W}pipelines/<uuid:id>/openapi/", views.PipelineOpenAPIView.as_view(), name="api-pipeline-openapi"),
    path(f"{W}endpoints/", endpoints.EndpointsView.as_view(), name="api-endpoints"),
    path(f"{W}endpoints/<uuid:id>/", endpoints.EndpointView.as_view(), name="api-endpoint"),
    path(f"{W}endpoints/<uuid:id>/openapi/", endpoints.EndpointOpenAPIView.as_view(), name="api-endpoint-openapi"),
    path(f"{W}endpoints/<uuid:id>/tokens/", endpoints.EndpointTokensView.as_view(), name="api-endpoint-tokens"),
    path(
        f"{W}endpoints/<uuid:id>/tokens/<uuid:token>/",
        endpoints.EndpointTokenView.as_view(),
        name="api-endpoint-token",
    ),
    path(f"{W}endpoints/<uuid:id>/form/", endpoints.EndpointFormView.as_view(), name="api-endpoint-form"),
    path(f"{W}endpoints/<uuid:id>/versions/", endpoints.EndpointVersionsView.as_view(), name="api-endpoint-versions"),
    path(
        f"{W}endpoints/<uuid:id>/versions/<str:version>/",
        endpoints.EndpointVersionView.as_view(),
        name="api-endpoint-version",
    ),
    path(f"{W}drafts/", drafts.DraftsView.as_view(), name="api-drafts"),
    path(f"{W}drafts/<uuid:id>/", drafts.DraftView.as_view(), name="api-draft"),
    path(f"{W}drafts/<uuid:id>/publish/", drafts.DraftPublishView.as_view(), name="api-draft-publish"),
    path(f"{W}modules/", modules.ModulesView.as_view(), name="api-modules"),
    path(f"{W}modules/<uuid:id>/", modules.ModuleView.as_view(), name="api-module"),
    path(f"{W}modules/<uuid:id>/versions/", modules.ModuleVersionsView.as_view(), name="api-module-versions"),
    path(f"{W}module-versions/<uuid:id>/", modules.ModuleVersionView.as_view(), name="api-module-version"),
]
