"""Addresses outside of a workspace: all of mine, a new one."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from runs.web import workspaces

urlpatterns: list[URLPattern | URLResolver] = [
    path("workspaces/", workspaces.all_of_mine, name="workspaces"),
    path("workspaces/new/", workspaces.new, name="new-workspace"),
]
