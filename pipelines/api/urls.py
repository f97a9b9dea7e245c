"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from pipelines.api import views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}pipelines/", views.PipelinesView.as_view(), name="api-pipelines"),
    path(f"{W}pipelines/<uuid:id>/", views.PipelineView.as_view(), name="api-pipeline"),
]
