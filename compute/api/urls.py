"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from compute.api import views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}compute/", views.TargetsView.as_view(), name="api-compute"),
    path(f"{W}compute/<str:name>/", views.TargetView.as_view(), name="api-compute-target"),
]
