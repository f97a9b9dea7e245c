"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from environments.api import views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}environments/", views.EnvironmentsView.as_view(), name="api-environments"),
    path(f"{W}environments/<str:name>/", views.VersionView.as_view(), name="api-environment"),
    path(f"{W}environments/<str:name>/versions/", views.VersionsView.as_view(), name="api-environment-versions"),
    path(
        f"{W}environments/<str:name>/versions/<str:version>/",
        views.VersionView.as_view(),
        name="api-environment-version",
    ),
    path(
        f"{W}environments/<str:name>/versions/<str:version>/build/",
        views.VersionBuildView.as_view(),
        name="api-environment-build",
    ),
    path(f"{W}environment-builds/<uuid:id>/", views.BuildView.as_view(), name="api-build"),
    path(f"{W}environment-builds/<uuid:id>/log/", views.BuildLogView.as_view(), name="api-build-log"),
    path(
        f"{W}environment-builds/<uuid:id>/log/search/", views.BuildLogSearchView.as_view(), name="api-build-log-search"
    ),
]
