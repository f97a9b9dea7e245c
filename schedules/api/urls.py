"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from schedules.api import views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{W}schedules/", views.SchedulesView.as_view(), name="api-schedules"),
    path(f"{W}schedules/upcoming/", views.UpcomingView.as_view(), name="api-schedules-upcoming"),
    path(f"{W}schedules/<uuid:id>/", views.ScheduleView.as_view(), name="api-schedule"),
    path(f"{W}schedules/<uuid:id>/backfills/", views.BackfillsView.as_view(), name="api-backfills"),
    path(f"{W}schedules/<uuid:id>/backfills/plan/", views.BackfillPlanView.as_view(), name="api-backfill-plan"),
    path(f"{W}schedules/<uuid:id>/backfills/<uuid:backfill>/", views.BackfillView.as_view(), name="api-backfill"),
    path(
        f"{W}schedules/<uuid:id>/backfills/<uuid:backfill>/cancel/",
        views.BackfillCancelView.as_view(),
        name="api-backfill-cancel",
    ),
    path(f"{W}schedules/<uuid:id>/ticks/", views.TicksView.as_view(), name="api-schedule-ticks"),
]
