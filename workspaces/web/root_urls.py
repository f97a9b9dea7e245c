"""Addresses outside a workspace: the entrance, first start, what a person sets for themselves."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path
from django.views.i18n import set_language

from workspaces.web import entrance

urlpatterns: list[URLPattern | URLResolver] = [
    path("", entrance.root, name="root"),
    path("start/<str:secret>/", entrance.first_start, name="first-start"),
    path("theme/", entrance.theme, name="theme"),
    # Sends back to the page that it came from.
    path("language/", set_language, name="language"),
]
