"""What views answer: pages and fragments of them, the way on after a form, and refusals."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.html import format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from core.errors import StudioError
from workspaces.access import WorkspaceContext
from workspaces.models import Role


def show(
    request: HttpRequest, template: str, page: object, *, section: str, parts: tuple[str, ...] = (), **more: Any
) -> HttpResponse:
    """Render a page, or with `?part=` only the fragments of these names, by the same template.

    One fragment is answered as it is, several each within a `<template data-part>`.
    """
    request.section = section  # type: ignore[attr-defined]
    facts = {"page": page, **rights(request), **more}
    names = [name for name in parts_of(request) if name in parts]
    if len(names) < 2:
        return render(request, f"{template}#{names[0]}" if names else template, facts)
    fragments = ((name, loader.render_to_string(f"{template}#{name}", facts, request)) for name in names)
    return HttpResponse(format_html_join("\n", '<template data-part="{}">{}</template>', fragments))


def parts_of(request: HttpRequest) -> list[str]:
    """The fragments that are asked for; none means the whole page."""
    return [name for name in request.GET.get("part", "").split(",") if name]


def rights(request: HttpRequest) -> dict[str, Any]:
    """What a template asks before it shows a button; the services refuse on their own."""
    context: WorkspaceContext | None = getattr(request, "context", None)
    rank = context.role.rank if context else -1
    is_archived = context is not None and context.workspace.is_archived
    return {
        "context": context,
        "ws": context.workspace.name if context else "",
        "may_write": rank >= Role.CONTRIBUTOR.rank and not is_archived,
        "may_own": rank >= Role.OWNER.rank and not is_archived,
        # Of an archived workspace, too: bring it back, delete it, let people go.
        "is_owner": rank >= Role.OWNER.rank,
        "seen": getattr(request, "seen", ""),
    }


def done(request: HttpRequest, text: str, to: str) -> HttpResponse:
    """Say that it worked and go on to `to`: for a form of the page and for one that htmx sent."""
    if text:
        messages.success(request, text)
        request.said = text  # type: ignore[attr-defined]
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    return HttpResponseRedirect(to)


def back(request: HttpRequest, otherwise: str) -> str:
    """Where the form says it came from, if that is a page of this studio."""
    for place in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if place and url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure()):
            return place
    return otherwise


def notice(request: HttpRequest, error: StudioError) -> HttpResponse:
    if error.status in (401, 403, 404):
        return error_page(request, error)
    messages.error(request, error.message)
    return done(request, "", back(request, "/"))


def document(request: HttpRequest, error: StudioError) -> HttpResponse:
    return JsonResponse(error.as_document(), status=error.status)


TITLES = {
    400: lambda: _("This cannot be meant"),
    401: lambda: _("Please sign in"),
    403: lambda: _("Not with your role"),
    404: lambda: _("Not here"),
    409: lambda: _("Something changed in the meantime"),
    413: lambda: _("Too large"),
    503: lambda: _("The studio is busy"),
}


def error_page(request: HttpRequest, error: StudioError) -> HttpResponse:
    return refusal_page(request, error.status, error.message)


def refusal_page(request: HttpRequest, status: int, text: str) -> HttpResponse:
    facts = {"code": status, "title": TITLES.get(status, lambda: _("That did not work"))(), "text": text}
    if request.headers.get("HX-Request"):
        return render(request, "workspaces/refusal.html#part", {"refusal": facts}, status=status)
    inside = getattr(request, "context", None) is not None
    template = "workspaces/refusal.html" if inside else "refusal.html"
    return render(request, template, {"refusal": facts}, status=status)
