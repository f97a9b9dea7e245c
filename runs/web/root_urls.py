"""Addresses outside of a workspace: all of mine, a new one, and the installation itself."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from runs.web import studio, workspaces

urlpatterns: list[URLPattern | URLResolver] = [
    path("workspaces/", workspaces.index, name="workspaces"),
    path("workspaces/new/", workspaces.new, name="new-workspace"),
    path("studio/", studio.overview, name="studio"),
    path("studio/workspaces/", studio.workspaces, name="studio-workspaces"),
    path("studio/people/", studio.people, name="studio-people"),
    path("studio/people/<uuid:user_id>/active/", studio.activate, name="studio-activate"),
    path("studio/banner/", studio.banner, name="studio-banner"),
]
