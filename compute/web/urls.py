"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from compute.web import forms_views, views

_compute = [
    path("", views.all_of_them, name="list"),
    path("create/", forms_views.create, name="create"),
    path("clusters/<str:name>/", views.one, name="cluster"),
    path("clusters/<str:name>/resize/", forms_views.resize, name="resize"),
    path("clusters/<str:name>/delete/", forms_views.delete, name="delete"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("compute/", include((_compute, "compute")))]
