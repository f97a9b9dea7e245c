"""The page of an error that nobody caught, and of a database that is busy under the session or the middleware."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

from core.busy import as_busy


def fault(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: it is called while the error is being handled. The page asks the database nothing."""
    busy = as_busy(sys.exc_info()[1])
    if busy is None:
        return server_error(request)
    return HttpResponse(
        render_to_string("503.html"), status=busy.status, headers={"Retry-After": str(busy.retry_after)}
    )
