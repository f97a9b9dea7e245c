"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from environments.web import views

_environments = [
    path("", views.index, name="list"),
    path("builds/<uuid:build_id>/log/", views.build_log, name="build-log"),
    path("builds/<uuid:build_id>/lock.txt", views.lock, name="lock"),
    path("named/<path:name>/", views.detail, name="environment"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("environments/", include((_environments, "environments")))]
