"""Decorators of views: a member is let in, a form is carried out once, and a refusal has the studio's own look."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core import clock, once
from core.busy import as_busy
from core.errors import NotFound, StudioError
from core.models import IdempotencyKey
from workspaces.access import WorkspaceContext, authorize, owns_studio
from workspaces.models import Member, Role, User
from workspaces.services import usage
from workspaces.web import responses

View = Callable[..., HttpResponseBase]
LAST = "last_workspace"


def workspace_page(needs: Role = Role.READER) -> Callable[[View], View]:
    """A page that is looked at: `view(request, context, ...)`. Strangers are told that there is no such workspace."""
    return _entered(needs, ["GET", "HEAD"], responses.error_page, archived_too=True)


def workspace_action(needs: Role = Role.CONTRIBUTOR, *, archived_too: bool = False) -> Callable[[View], View]:
    """A form that was sent. A refusal becomes a notice on the page that it came from.

    `archived_too`: also in a workspace that is archived, in which nothing else changes.
    """
    return _entered(needs, ["POST"], responses.notice, archived_too=archived_too)


def workspace_dialog(
    needs: Role = Role.CONTRIBUTOR, *, takes_files: bool = False, archived_too: bool = False
) -> Callable[[View], View]:
    """A form that is fetched with GET and sent with POST to the same address; it tells refusals at its fields.

    One that takes files may be as large as DUTO_UPLOAD_MAX_BYTES.
    """
    return _entered(
        needs, ["GET", "HEAD", "POST"], responses.error_page, takes_files=takes_files, archived_too=archived_too
    )


def workspace_files(needs: Role = Role.CONTRIBUTOR) -> Callable[[View], View]:
    """Where a script of a page sends files one by one, or takes them back. Refusals are documents, as those of REST."""
    return _entered(needs, ["PUT", "DELETE"], responses.document, takes_files=True)


def _entered(
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
                _note_what_is_seen(request)
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


def signed_in_page(*methods: str, studio: bool = False) -> Callable[[View], View]:
    """A page outside of any workspace, for whoever is signed in: `view(request, ...)`. Its frame is that of the
    workspace that was open last. With `studio` it exists for those alone who look after the installation."""
    refused = responses.notice if methods == ("POST",) else responses.error_page

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
    """The context of this workspace, else of that which was open last, or of any; None for who belongs to none."""
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
        answer = responses.error_page(request, busy)
        answer.headers["Retry-After"] = str(busy.retry_after)
    # What a member sees is nobody else's, and a page that was left must not come back stale.
    patch_cache_control(answer, private=True, no_cache=True)
    patch_vary_headers(answer, ["Cookie", "HX-Request"])
    return answer


def _remember(request: HttpRequest, context: WorkspaceContext) -> None:
    if request.session.get(LAST) != context.workspace.name:
        request.session[LAST] = context.workspace.name


def _note_what_is_seen(request: HttpRequest) -> None:
    """Before the rows are read: live regions then miss nothing that happens until they listen."""
    if request.method == "GET" and "part" not in request.GET and not request.headers.get("HX-Request"):
        request.seen = clock.stamp()  # type: ignore[attr-defined]


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
    return responses.done(request, "", kept.location or responses.back(request, "/"))
