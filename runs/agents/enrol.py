"""How a machine becomes a host: the installer, what it installs, and the exchange of its token for a key.

None of these takes a host's key: the first two hand out what every checkout holds, the third takes a token that works once.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from compute.services import agent_package, enrolments
from core.addresses import studio_address
from core.errors import Invalid, StudioError, Unauthenticated
from core.text import document_of
from runs.agents.decorators import body_of, refusal

BODY_MAX = 64 * 1024


@require_safe
def install(request: HttpRequest) -> HttpResponse:
    """GET install: the script that the copied command runs."""
    return HttpResponse(
        agent_package.installer(studio_address(request)), content_type="text/x-python; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip


@require_safe
def package(request: HttpRequest) -> HttpResponse:
    """GET package: what the script installs, with its digest in `X-Duto-Digest`."""
    found = agent_package.package()
    return HttpResponse(found.data, content_type="application/gzip", headers={"X-Duto-Digest": found.digest})


@csrf_exempt
@sensitive_variables("token", "document", "key")
def enrol(request: HttpRequest) -> HttpResponse:
    """POST enrol (docs/wire.md, *Agents' API*)."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        document = _document(request)
        token = document.get("token")
        if not isinstance(token, str) or not token:
            raise Unauthenticated('Send the enrolment token that the page Compute shows: {"token": …}.')
        name, agent, key = (document.get(each) or "" for each in ("name", "agent", "key"))
        if not isinstance(name, str) or not isinstance(agent, str) or not isinstance(key, str):
            raise Invalid("'name', 'agent' and 'key' are texts.")
        return JsonResponse(enrolments.enrol(token, name, agent, studio_address(request), key))
    except StudioError as error:
        return refusal(error)


def _document(request: HttpRequest) -> dict[str, object]:
    try:
        document = document_of(body_of(request, BODY_MAX) or b"{}")
    except ValueError as error:
        raise Invalid("The body is not JSON.") from error
    if not isinstance(document, dict):
        raise Invalid("The body is a JSON object.")
    return document
