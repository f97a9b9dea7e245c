"""What the REST interface says of itself."""

from __future__ import annotations

from django.http import JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class DocsView(SpectacularSwaggerSplitView):
    """The Swagger page. Its renderer can draw that page only, so a refusal is told as everywhere else."""

    http_method_names = ["get", "head"]

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        refusal = super().handle_exception(exc)
        headers = {name: value for name, value in refusal.headers.items() if name != "Content-Type"}
        return JsonResponse(refusal.data, status=refusal.status_code, headers=headers)


urlpatterns: list[URLPattern | URLResolver] = [
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", DocsView.as_view(url_name="api:api-schema"), name="api-docs"),
]
