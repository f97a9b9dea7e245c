"""Addresses outside of a workspace: all of mine, a new one, and the installation itself."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from runs.web import endpoint_form, studio, workspaces

urlpatterns: list[URLPattern | URLResolver] = [
    path("workspaces/", workspaces.index, name="workspaces"),
    path("workspaces/new/", workspaces.new, name="new-workspace"),
    path("forms/<str:secret>/", endpoint_form.form, name="endpoint-form"),
    path("forms/<str:secret>/runs/<uuid:run_id>/", endpoint_form.run, name="endpoint-form-run"),
    path("studio/", studio.overview, name="studio"),
    path("studio/workspaces/", studio.workspaces, name="studio-workspaces"),
    path("studio/people/", studio.people, name="studio-people"),
    path("studio/people/<uuid:user_id>/active/", studio.activate, name="studio-activate"),
    path("studio/banner/", studio.banner, name="studio-banner"),
]
