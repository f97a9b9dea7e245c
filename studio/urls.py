"""Every address of the studio, each app's own below its prefix."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from studio.health import healthz
from studio.lazy import LazyInclude

APPS = (
    "workspaces",
    "datasets",
    "environments",
    "compute",
    "registry",
    "pipelines",
    "runs",
    "schedules",
    "monitors",
    "notifications",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("simple/", include("workspaces.api.package_urls")),
    path("accounts/", include("workspaces.web.account_urls")),
    LazyInclude("agent/v1/", ("runs.agents.urls",), "agent"),
    # Names in here are reversed as `api:...`.
    LazyInclude("api/v1/", ("studio.api_urls", *(f"{app}.api.urls" for app in APPS)), "api"),
    # Published pipelines have no pages of their own: those start runs, so they stand with the runs.
    *(path("w/<slug:workspace>/", include(f"{app}.web.urls")) for app in APPS if app != "pipelines"),
    path("", include("workspaces.web.root_urls")),
    path("", include("runs.web.root_urls")),
    path("", include("notifications.web.root_urls")),
]

handler400 = "studio.lost.refusal"
handler404 = "studio.lost.not_found"
handler500 = "studio.faults.fault"
