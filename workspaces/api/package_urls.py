"""The addresses that pip asks for, below `simple/`."""

from __future__ import annotations

from django.urls import path

from workspaces.api import package_index

urlpatterns = [
    path("", package_index.projects, name="package-index"),
    path("<str:project>/", package_index.project, name="package-project"),
    path("<str:project>/<str:filename>", package_index.file, name="package-file"),
]
