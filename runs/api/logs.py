"""The log of a run: a window of bytes, and a search."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api.base import BYTES, RawView, RunView, query
from runs.models import Attempt, RankLog
from runs.queries import logs
from workspaces.api.loglines import QUERY, WINDOW_OF, Matches, found_lines, read_log
from workspaces.models import Role

ATTEMPT = query(
    "attempt", "Number of an attempt; the last one where it is left out or 0.", {"type": "integer", "minimum": 0}
)


RANK = query(
    "rank",
    "Number of one of the processes of a step that has several; the log of all of them where it is left out.",
    {"type": "integer", "minimum": 0},
)


NODE = query(
    "node",
    "Of a step on several nodes which of them; the first where it is left out.",
    {"type": "integer", "minimum": 0},
)


class _LogView(RunView):
    def attempt(self, id: UUID) -> Attempt:
        number = self.number("attempt", 0, least=0) or None
        return logs.attempt_of(self.run(id), number, self.number("node", 0, least=0))

    def log(self, attempt: Attempt) -> logs.Log:
        is_of_rank = self.request.query_params.get("rank") not in (None, "")
        return logs.log_of(attempt, self.number("rank", 0, least=0) if is_of_rank else None)


class LogView(_LogView, RawView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_log",
        parameters=[ATTEMPT, NODE, RANK, *WINDOW_OF],
        responses={(200, "text/plain"): BYTES},
    )
    def get(self, request: Request, id: UUID) -> HttpResponseBase:
        """A window of the log. `X-Log-Size` says how much there is, `X-Log-Final` whether more may come, `X-Log-Errors` how
        many errors the whole of it tells of."""
        attempt = self.attempt(id)
        log = self.log(attempt)
        rank = f"-rank{log.rank}" if isinstance(log, RankLog) else ""
        rank = rank or (f"-node{attempt.node_rank}" if attempt.node_rank else "")
        name = f"{attempt.run_id}-{attempt.number}{rank}.txt"
        answer = read_log(self, partial(logs.window, log), partial(logs.reader, log), log.log_size, name)
        answer["X-Log-Attempt"] = str(attempt.number)
        return answer


class LogSearchView(_LogView):
    needs = {"get": Role.READER}

    @extend_schema(
        operation_id="run_log_search",
        parameters=[ATTEMPT, NODE, RANK, *QUERY],
        responses=Matches,
    )
    def get(self, request: Request, id: UUID) -> Response:
        """Lines that hold a text, or with which errors begin, by number and offset. `next` is where to go on."""
        log = self.log(self.attempt(id))
        return found_lines(self, partial(logs.search, log), partial(logs.errors, log))
