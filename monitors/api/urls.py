"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from monitors.api import views

M = "workspaces/<slug:workspace>/monitors/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(M, views.MonitorsView.as_view(), name="api-monitors"),
    path(f"{M}<uuid:id>/", views.MonitorView.as_view(), name="api-monitor"),
    path(f"{M}<uuid:id>/backfill/", views.MonitorBackfillView.as_view(), name="api-monitor-backfill"),
    path(f"{M}<uuid:id>/run/", views.MonitorRunView.as_view(), name="api-monitor-run"),
    path(f"{M}<uuid:id>/windows/", views.WindowsView.as_view(), name="api-monitor-windows"),
    path(f"{M}<uuid:id>/windows/<uuid:window>/", views.WindowView.as_view(), name="api-monitor-window"),
]
