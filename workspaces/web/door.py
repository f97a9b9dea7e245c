"""What every page does first and last: let a member in, and say a refusal in the studio's own look."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.html import format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core import clock, once
from core.busy import as_busy
from core.errors import NotFound, StudioError
from core.models import IdempotencyKey
from workspaces.access import WorkspaceContext, authorize, owns_studio
from workspaces.models import Member, Role, User
from workspaces.services import usage

View = Callable[..., HttpResponseBase]
LAST = "last_workspace"


def page(needs: Role = Role.READER) -> Callable[[View], View]:
    """A page that is looked at: `view(request, room, ...)`. Strangers are told that there is no such workspace."""
    return _door(needs, ["GET", "HEAD"], _error_page, archived_too=True)


def deed(needs: Role = Role.CONTRIBUTOR, *, archived_too: bool = False) -> Callable[[View], View]:
    """A form that was sent. A refusal becomes a notice on the page that it came from.

    `archived_too`: also in a workspace that is archived, in which nothing else changes.
    """
    return _door(needs, ["POST"], _notice, archived_too=archived_too)


def dialog(
    needs: Role = Role.CONTRIBUTOR, *, takes_files: bool = False, archived_too: bool = False
) -> Callable[[View], View]:
    """A form that is fetched with GET and sent with POST to the same address; it tells refusals at its fields.

    One that takes files may be as large as DUTO_UPLOAD_MAX_BYTES.
    """
    return _door(needs, ["GET", "HEAD", "POST"], _error_page, takes_files=takes_files, archived_too=archived_too)


def files(needs: Role = Role.CONTRIBUTOR) -> Callable[[View], View]:
    """Where a script of a page sends files one by one, or takes them back. Refusals are documents, as those of REST."""
    return _door(needs, ["PUT", "DELETE"], _document, takes_files=True)


def _door(
    needs: Role,
    methods: list[str],
    refused: Callable[[HttpRequest, StudioError], HttpResponse],
    *,
    takes_files: bool = False,
    archived_too: bool = False,
) -> Callable[[View], View]:
    def wrap(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, workspace: str, **names: Any) -> HttpResponseBase:
            if not isinstance(request.user, User):
                return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)

            user = request.user

            def act() -> HttpResponseBase:
                context = authorize(request, workspace, needs=needs, archived_too=archived_too)
                usage.note_seen(context.workspace.pk, user.pk)
                request.context = context  # type: ignore[attr-defined]
                _remember(request, context)
                _look_at_the_journal(request)
                return _once(request, context.keys_of, lambda: view(request, context, **names))

            def framed(request: HttpRequest, error: StudioError) -> HttpResponse:
                """Who may not do this, or finds no such workspace, still has the navigation."""
                if not hasattr(request, "context") and not request.headers.get("HX-Request"):
                    request.context = _frame(request, user, workspace)  # type: ignore[attr-defined]
                return refused(request, error)

            return _answered(request, framed, act)

        # Declared so that a test can walk every address with every role, and for who asks before the body is read.
        inner.needs, inner.methods, inner.takes_files = needs, methods, takes_files  # type: ignore[attr-defined]
        return require_http_methods(methods)(inner)

    return wrap


def outside(*methods: str, studio: bool = False) -> Callable[[View], View]:
    """A page outside of any workspace, for whoever is signed in: `view(request, ...)`. Its frame is that of the
    workspace that was open last. With `studio` it exists for those alone who look after the installation."""
    refused = _notice if methods == ("POST",) else _error_page

    def wrap(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, **names: Any) -> HttpResponseBase:
            if not isinstance(request.user, User):
                return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
            user = request.user

            def act() -> HttpResponseBase:
                request.context = _frame(request, user)  # type: ignore[attr-defined]
                if studio and not owns_studio(user):
                    raise NotFound(_("There is no such page, or it is not for you."))
                return _once(request, f"user:{user.pk}", lambda: view(request, **names))

            return _answered(request, refused, act)

        return require_http_methods(list(methods))(inner)

    return wrap


def _frame(request: HttpRequest, user: User, workspace: str = "") -> WorkspaceContext | None:
    """The room of this workspace, else of that which was open last, or of any; None for who belongs to none."""
    mine = Member.objects.filter(user=user).select_related("workspace")
    last = mine.filter(workspace__name=workspace).first() if workspace else None
    last = last or mine.filter(workspace__name=request.session.get(LAST, "")).first()
    member = (
        last or mine.filter(workspace__archived_at__isnull=True).order_by("workspace__name").first() or mine.first()
    )
    return WorkspaceContext(member.workspace, Role(member.role), user=user) if member else None


def _once(request: HttpRequest, scope: str, act: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Carry it out, unless the form was sent before."""
    with once.asking(scope, request.POST.get(once.FIELD) if request.method == "POST" else None):
        answer = act()
        place = answer.headers.get("HX-Redirect") or answer.headers.get("Location") or ""
        once.led_to(place, getattr(request, "said", ""))
    return answer


def _answered(
    request: HttpRequest,
    refused: Callable[[HttpRequest, StudioError], HttpResponse],
    act: Callable[[], HttpResponseBase],
) -> HttpResponseBase:
    """What it answers, or its refusal in the studio's look."""
    answer: HttpResponseBase
    try:
        answer = act()
    except once.Repeated as done_before:
        answer = _sent_before(request, done_before.kept)
    except StudioError as error:
        answer = refused(request, error)
    except Error as error:
        busy = as_busy(error)
        if busy is None:
            raise
        answer = _error_page(request, busy)
        answer.headers["Retry-After"] = str(busy.retry_after)
    # What a member sees is nobody else's, and a page that was left must not come back stale.
    patch_cache_control(answer, private=True, no_cache=True)
    patch_vary_headers(answer, ["Cookie", "HX-Request"])
    return answer


def _remember(request: HttpRequest, context: WorkspaceContext) -> None:
    if request.session.get(LAST) != context.workspace.name:
        request.session[LAST] = context.workspace.name


def _look_at_the_journal(request: HttpRequest) -> None:
    """Before the rows are read: live regions then miss nothing that happens until they listen."""
    if request.method == "GET" and "part" not in request.GET and not request.headers.get("HX-Request"):
        request.seen = clock.stamp()  # type: ignore[attr-defined]


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


def _sent_before(request: HttpRequest, kept: IdempotencyKey) -> HttpResponse:
    """A form that was sent twice: by a double click, or from a page that was gone back to.

    A browser drops the first answer, and with it the notice, when it is asked again before that has come.
    """
    if kept.body:
        messages.success(request, kept.body)
    messages.info(
        request,
        _("This form was sent before, and was not carried out again. To do it once more, load its page anew."),
    )
    return done(request, "", kept.location or back(request, "/"))


def back(request: HttpRequest, otherwise: str) -> str:
    """Where the form says it came from, if that is a page of this studio."""
    for place in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if place and url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure()):
            return place
    return otherwise


def _notice(request: HttpRequest, error: StudioError) -> HttpResponse:
    if error.status in (401, 403, 404):
        return _error_page(request, error)
    messages.error(request, error.message)
    return done(request, "", back(request, "/"))


def _document(request: HttpRequest, error: StudioError) -> HttpResponse:
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


def _error_page(request: HttpRequest, error: StudioError) -> HttpResponse:
    title = TITLES.get(error.status, lambda: _("That did not work"))()
    facts = {"code": error.status, "title": title, "text": error.message}
    if request.headers.get("HX-Request"):
        return render(request, "workspaces/refusal.html#part", {"refusal": facts}, status=error.status)
    inside = getattr(request, "context", None) is not None
    template = "workspaces/refusal.html" if inside else "refusal.html"
    return render(request, template, {"refusal": facts}, status=error.status)
