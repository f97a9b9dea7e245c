"""Addresses outside a workspace: the front door, first start, what a person sets for themselves."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from workspaces.web import entrance

urlpatterns: list[URLPattern | URLResolver] = [
    path("", entrance.root, name="root"),
    path("start/<str:secret>/", entrance.first_start, name="first-start"),
    path("theme/", entrance.theme, name="theme"),
]
