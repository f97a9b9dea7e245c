"""What a link of a mail leads to: looking changes nothing, as programs look at mails too; a button, or a mail program, sends it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.errors import StudioError
from notifications.services import links
from workspaces.web import responses


# A mail program sends it by one click (RFC 8058), without cookies. What is done is in the signature, not in the session.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """Unsubscribe, or confirm an address."""
    try:
        link = links.read(token)
        if request.method == "POST":
            if request.POST.get("back"):
                links.resubscribe(link)
            else:
                links.follow(link)
    except StudioError as refusal:
        return responses.error_page(request, refusal)
    state = ("back" if request.POST.get("back") else "done") if request.method == "POST" else "asked"
    facts = {"link": link, "state": state, "is_confirming": link.action == links.CONFIRM}
    return render(request, "notifications/link.html", facts)
