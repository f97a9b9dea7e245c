"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from compute.web import forms_views, hosts_views, views

_compute = [
    path("", views.all_of_them, name="list"),
    path("create/", forms_views.create, name="create"),
    path("add-host/", hosts_views.add, name="host-add"),
    path("hosts/<str:name>/", views.host, name="host"),
    path("hosts/<str:name>/drain/", hosts_views.drain, name="host-drain"),
    path("hosts/<str:name>/undrain/", hosts_views.undrain, name="host-undrain"),
    path("hosts/<str:name>/detach/", hosts_views.detach, name="host-detach"),
    path("clusters/<str:name>/", views.one, name="cluster"),
    path("clusters/<str:name>/resize/", forms_views.resize, name="resize"),
    path("clusters/<str:name>/delete/", forms_views.delete, name="delete"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("compute/", include((_compute, "compute")))]
