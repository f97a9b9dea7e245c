"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from compute.api import hosts, views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}compute/", views.TargetsView.as_view(), name="api-compute"),
    path(f"{W}compute/<str:name>/", views.TargetView.as_view(), name="api-compute-target"),
    path(f"{W}hosts/", hosts.HostsView.as_view(), name="api-hosts"),
    path(f"{W}host-enrolments/", hosts.EnrolmentsView.as_view(), name="api-host-enrolments"),
    path(f"{W}hosts/<str:name>/", hosts.HostView.as_view(), name="api-host"),
    path(f"{W}hosts/<str:name>/usage/", hosts.HostUsageView.as_view(), name="api-host-usage"),
    path(f"{W}hosts/<str:name>/drain/", hosts.DrainView.as_view(), name="api-host-drain"),
    path(f"{W}hosts/<str:name>/undrain/", hosts.UndrainView.as_view(), name="api-host-undrain"),
]
