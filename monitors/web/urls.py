"""Addresses below `/w/<workspace>/`: the list of monitors, one of them, its windows, and the form."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from monitors.web import links, pages

_monitors = [
    path("", pages.index, name="list"),
    path("of/", links.of, name="of"),
    path("new/", pages.create, name="create"),
    path("<uuid:monitor_id>/", pages.detail, name="monitor"),
    path("<uuid:monitor_id>/edit/", pages.edit, name="edit"),
    path("<uuid:monitor_id>/status/", pages.status, name="status"),
    path("<uuid:monitor_id>/run/", pages.run, name="run"),
    path("<uuid:monitor_id>/backfill/", pages.backfill, name="backfill"),
    path("<uuid:monitor_id>/delete/", pages.delete, name="delete"),
    path("<uuid:monitor_id>/windows/<uuid:window_id>/", pages.window, name="window"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("monitors/", include((_monitors, "monitors"))),
]
