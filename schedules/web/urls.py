"""Addresses below `/w/<workspace>/`: the list of schedules, one of them, and the form."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from schedules.web import backfills, calendar, pages

_schedules = [
    path("", pages.index, name="list"),
    path("new/", pages.create, name="create"),
    path("calendar/", calendar.index, name="calendar"),
    path("preview/", pages.preview, name="preview"),
    path("<uuid:schedule_id>/", pages.detail, name="schedule"),
    path("<uuid:schedule_id>/edit/", pages.edit, name="edit"),
    path("<uuid:schedule_id>/backfill/", backfills.create, name="backfill"),
    path("<uuid:schedule_id>/backfill/<uuid:backfill_id>/cancel/", backfills.cancel, name="backfill-cancel"),
    path("<uuid:schedule_id>/status/", pages.status, name="status"),
    path("<uuid:schedule_id>/delete/", pages.delete, name="delete"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("schedules/", include((_schedules, "schedules"))),
]
