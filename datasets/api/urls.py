"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from datasets.api import profiles, stores, views

W = "workspaces/<slug:workspace>/"
STORE = f"{W}datastores/<str:name>/"
VERSION = f"{W}dataset-versions/<uuid:id>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}datastores/", stores.DatastoresView.as_view(), name="api-datastores"),
    path(STORE, stores.DatastoreView.as_view(), name="api-datastore"),
    path(f"{STORE}credentials/", stores.CredentialsView.as_view(), name="api-datastore-credentials"),
    path(f"{STORE}test/", stores.TestView.as_view(), name="api-datastore-test"),
    path(f"{STORE}files/", stores.FilesView.as_view(), name="api-datastore-files"),
    path(f"{STORE}files/<file:path>", stores.FileView.as_view(), name="api-datastore-file"),
    path(f"{W}datasets/", views.DatasetsView.as_view(), name="api-datasets"),
    path(f"{W}datasets/<str:name>/", views.DatasetView.as_view(), name="api-dataset"),
    path(f"{W}datasets/<str:name>/versions/", views.DatasetVersionsView.as_view(), name="api-dataset-versions"),
    path(
        f"{W}datasets/<str:name>/versions/<str:version>/",
        views.NumberedVersionView.as_view(),
        name="api-dataset-numbered-version",
    ),
    path(VERSION, views.VersionView.as_view(), name="api-dataset-version"),
    path(f"{VERSION}cancel/", views.VersionCancelView.as_view(), name="api-dataset-version-cancel"),
    path(f"{VERSION}profile/", profiles.ProfileView.as_view(), name="api-dataset-version-profile"),
    path(f"{VERSION}profile-runs/", profiles.ProfileRunsView.as_view(), name="api-dataset-version-profile-runs"),
    path(f"{W}profile-runs/<uuid:id>/", profiles.ProfileRunView.as_view(), name="api-profile-run"),
    path(f"{W}profile-runs/<uuid:id>/profile/", profiles.FoundView.as_view(), name="api-profile-run-profile"),
    path(f"{VERSION}comparisons/", profiles.ComparisonsView.as_view(), name="api-dataset-version-comparisons"),
    path(
        f"{W}profile-runs/<uuid:id>/differences/",
        profiles.DifferencesView.as_view(),
        name="api-profile-run-differences",
    ),
    path(f"{W}profile-runs/<uuid:id>/cancel/", profiles.ProfileRunCancelView.as_view(), name="api-profile-run-cancel"),
    path(f"{VERSION}files/", views.VersionFilesView.as_view(), name="api-dataset-version-files"),
    path(f"{VERSION}preview/", views.VersionPreviewView.as_view(), name="api-dataset-version-preview"),
    path(f"{VERSION}content/", views.VersionContentView.as_view(), name="api-dataset-version-content"),
]
