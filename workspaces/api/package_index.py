"""The studio's package index: its SDK for `pip`, as the simple repository API has it (PEP 503 and, as JSON, PEP 691).

Nobody has to sign in for it: it holds what every checkout holds and nothing of a workspace (docs/security.md).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from packaging.utils import canonicalize_name

from workspaces.services.distributions import SOURCES, Wheel, wheels

VERSION = "1.1"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
# What may be asked for, and what is answered. Who takes anything (a browser, an old pip) gets the first.
MEDIA_TYPES = {
    "text/html": "text/html",
    HTML: HTML,
    JSON: JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
    "application/vnd.pypi.simple.latest+json": JSON,
}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="{}"><title>{}</title></head>
<body>
{}
</body>
</html>
"""


@require_safe
def projects(request: HttpRequest) -> HttpResponseBase:
    """GET simple/: what there is."""
    links = format_html_join("\n", '<a href="{0}/">{0}</a>', ((name,) for name in SOURCES))
    return _listing(request, "Simple index", links, {"projects": [{"name": name} for name in SOURCES]})


@require_safe
def project(request: HttpRequest, project: str) -> HttpResponseBase:
    """GET simple/{project}/: its one wheel, that of the version that runs."""
    name = canonicalize_name(project)
    if name not in SOURCES:
        return _not_found()
    if name != project:
        return HttpResponseRedirect(f"../{name}/")
    wheel = wheels()[name]
    address = quote(wheel.filename)
    link = format_html(
        '<a href="{}#sha256={}" data-requires-python="{}">{}</a>',
        address,
        wheel.sha256,
        wheel.requires_python,
        wheel.filename,
    )
    return _listing(
        request,
        f"Links for {name}",
        link,
        {"name": name, "versions": [wheel.version], "files": [_file(wheel, address)]},
    )


@require_safe
def file(request: HttpRequest, project: str, filename: str) -> HttpResponseBase:
    """GET simple/{project}/{filename}: the wheel."""
    wheel = wheels().get(project)
    if wheel is None or wheel.filename != filename:
        return _not_found()
    return _cached_response(request, wheel.data, "application/octet-stream", wheel.sha256)


def _file(wheel: Wheel, address: str) -> dict[str, Any]:
    return {
        "filename": wheel.filename,
        "url": address,
        "hashes": {"sha256": wheel.sha256},
        "requires-python": wheel.requires_python,
        "size": len(wheel.data),
    }


def _listing(request: HttpRequest, title: str, links: SafeString, document: dict[str, Any]) -> HttpResponseBase:
    """One list, in the form that the caller likes best."""
    asked = request.get_preferred_type(list(MEDIA_TYPES))
    if asked is None:
        text = f"The package index answers as {', '.join(MEDIA_TYPES)}.\n"
        return HttpResponse(text, status=406, content_type="text/plain; charset=utf-8", headers={"Vary": "Accept"})
    if MEDIA_TYPES[asked] == JSON:
        text = json.dumps({"meta": {"api-version": VERSION}, **document})
    else:
        text = format_html(PAGE, VERSION, title, links)
    data = text.encode()
    content_type = JSON if MEDIA_TYPES[asked] == JSON else f"{MEDIA_TYPES[asked]}; charset=utf-8"
    answer = _cached_response(request, data, content_type, hashlib.sha256(data).hexdigest())
    answer["Vary"] = "Accept"
    return answer


def _cached_response(request: HttpRequest, data: bytes, content_type: str, etag: str) -> HttpResponseBase:
    """Kept by whoever asked, and asked for again: after an upgrade of the studio there is another."""
    tag = f'"{etag}"'
    response = HttpResponse(data, content_type=content_type, headers={"ETag": tag, "Cache-Control": "no-cache"})
    found: HttpResponseBase | None = get_conditional_response(request, etag=tag, response=response)
    return found if found is not None else response


def _not_found() -> HttpResponse:
    """pip asks every index for every package that it needs."""
    return HttpResponseNotFound("Not here.\n", content_type="text/plain; charset=utf-8")
