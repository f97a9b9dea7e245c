"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from registry.web import views

_models = [
    path("", views.index, name="list"),
    path("files/<uuid:version_id>/<file:path>", views.file, name="file"),
    path("named/<path:name>/", views.detail, name="model"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("models/", include((_models, "models")))]
