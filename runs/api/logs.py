"""The log of a run: a window of bytes, and a search."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.serving import guarded, serve
from runs.api.base import BYTES, RawView, RunView, query
from runs.models import Attempt
from runs.queries import logs
from workspaces.api.loglines import LAST, QUERY, Matches, found_lines
from workspaces.models import Role

ATTEMPT = query(
    "attempt", "Number of an attempt; the last one where it is left out or 0.", {"type": "integer", "minimum": 0}
)


class _LogView(RunView):
    def attempt(self, id: UUID) -> Attempt:
        number = self.number("attempt", 0, least=0) or None
        return logs.attempt_of(self.run(id), number)


class LogView(_LogView, RawView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_log",
        parameters=[
            ATTEMPT,
            query("offset", "First byte; a negative number counts from the end.", int),
            query("limit", "Most bytes, up to 4 MiB.", int),
            query("download", "`1` for the whole log as a file.", bool),
        ],
        responses={(200, "text/plain"): BYTES},
    )
    def get(self, request: Request, id: UUID) -> HttpResponseBase:
        """A window of the log. `X-Log-Size` says how much there is, `X-Log-Final` whether more may come, `X-Log-Errors` how
        many errors the whole of it tells of."""
        attempt = self.attempt(id)
        if self.flag("download"):
            name = f"{attempt.run_id}-{attempt.number}.txt"
            if not attempt.log_size:
                return guarded(request._request, HttpResponse(content_type="text/plain; charset=utf-8"), name)
            return serve(request._request, logs.reader(attempt), attempt.log_size, name, "text/plain; charset=utf-8")
        offset = self.number("offset", 0, least=-LAST, most=LAST)
        window = logs.window(attempt, offset, self.number("limit", logs.WINDOW, least=1))
        answer = HttpResponse(window.data, content_type="text/plain; charset=utf-8")
        answer["X-Log-Offset"] = str(window.offset)
        answer["X-Log-Size"] = str(window.size)
        answer["X-Log-Final"] = "1" if window.final else "0"
        if window.errors is not None:
            answer["X-Log-Errors"] = str(window.errors)
        answer["X-Log-Attempt"] = str(attempt.number)
        return guarded(request._request, answer, "std_log.txt")


class LogSearchView(_LogView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_log_search",
        parameters=[ATTEMPT, *QUERY],
        responses=Matches,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """Lines that hold a text, or with which errors begin, by number and offset. `next` is where to go on."""
        attempt = self.attempt(id)
        return found_lines(self, partial(logs.search, attempt), partial(logs.errors, attempt))
