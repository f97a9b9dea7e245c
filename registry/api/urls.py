"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from registry.api import views

W = "workspaces/<slug:workspace>/"
VERSION = f"{W}models/<str:name>/versions/<str:version>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}models/", views.ModelsView.as_view(), name="api-models"),
    path(VERSION, views.VersionView.as_view(), name="api-model-version"),
    path(f"{VERSION}files/", views.FilesView.as_view(), name="api-model-files"),
    path(f"{VERSION}content/", views.ContentView.as_view(), name="api-model-content"),
]
