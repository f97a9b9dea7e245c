"""What the REST interface says of itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path
from django.utils import translation
from django.utils.encoding import force_bytes
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import NotAuthenticated
from rest_framework.renderers import BaseRenderer, StaticHTMLRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from core.rendering import Renderer
from studio.reference import Reference, reference_of


def document() -> dict[str, Any]:
    """The same for everybody, whatever the language of who asks; it takes seconds to make."""
    with translation.override("en"):
        return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def reference() -> Reference:
    return reference_of(document())


@lru_cache(maxsize=len(SpectacularAPIView.renderer_classes))
def rendered(media_type: str) -> bytes:
    """In the form of this media type."""
    renderers: list[type[BaseRenderer]] = SpectacularAPIView.renderer_classes
    renderer = next(each for each in renderers if each.media_type == media_type)
    return force_bytes(renderer().render(document(), media_type, {}))


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, made once a process in each form."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        renderer = request.accepted_renderer
        name = f"{settings.SPECTACULAR_SETTINGS['TITLE']}.{renderer.format}"
        headers = {"Content-Disposition": f'inline; filename="{name}"'}
        return HttpResponse(
            rendered(renderer.media_type), content_type=f"{renderer.media_type}; charset=utf-8", headers=headers
        )


class ReferenceView(APIView):
    """The page of the OpenAPI document, for whoever may ask for the document; `q` narrows it."""

    http_method_names = ["get", "head"]
    # A browser asks for HTML. Refusals of programs stay JSON.
    renderer_classes = [Renderer, StaticHTMLRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        words = request.query_params.get("q", "")[:200]
        facts = {"reference": reference().about(words), "words": words, "all": reference()}
        return render(request._request, "reference.html", facts)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """A browser without a session is led to one; a program is told as everywhere else."""
        if isinstance(exc, NotAuthenticated) and "text/html" in self.request.headers.get("Accept", ""):
            return redirect_to_login(self.request.get_full_path(), settings.LOGIN_URL)
        return super().handle_exception(exc)


urlpatterns: list[URLPattern | URLResolver] = [
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("docs", ReferenceView.as_view(), name="api-docs"),
]
