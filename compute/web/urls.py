"""Addresses below `/w/<workspace>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from compute.web import clusters, hosts

_compute = [
    path("", clusters.index, name="list"),
    path("create/", clusters.create, name="create"),
    path("add-host/", hosts.add, name="host-add"),
    path("hosts/<str:name>/", hosts.detail, name="host"),
    path("hosts/<str:name>/drain/", hosts.drain, name="host-drain"),
    path("hosts/<str:name>/undrain/", hosts.undrain, name="host-undrain"),
    path("hosts/<str:name>/detach/", hosts.detach, name="host-detach"),
    path("clusters/<str:name>/", clusters.detail, name="cluster"),
    path("clusters/<str:name>/resize/", clusters.resize, name="resize"),
    path("clusters/<str:name>/delete/", clusters.delete, name="delete"),
]
urlpatterns: list[URLPattern | URLResolver] = [path("compute/", include((_compute, "compute")))]
