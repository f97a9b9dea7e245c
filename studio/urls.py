"""Every address of the studio, each app's own below its prefix."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from studio.health import healthz

APPS = ("workspaces", "datasets", "environments", "compute", "registry", "pipelines", "runs")

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("accounts/", include("allauth.account.urls")),
    path("agent/v1/", include("runs.agents.urls")),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    *(path("api/v1/", include(f"{app}.api.urls")) for app in APPS),
    *(path("w/<slug:workspace>/", include(f"{app}.web.urls")) for app in APPS),
    path("", include("workspaces.web.root_urls")),
]
