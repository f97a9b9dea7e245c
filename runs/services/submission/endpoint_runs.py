"""Runs that endpoints start: which token or form started them, and how many it may an hour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.clock import now
from core.errors import StudioError, TooManyRequests, Unauthenticated
from pipelines.models import PipelineEndpointVersion
from runs.models import EndpointRun, Run
from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken
from workspaces.services import audit

WINDOW = timedelta(hours=1)
# Refusals about what the caller sent, and about the endpoint: these name nothing else of the workspace.
OF_CALLER = frozenset({
    "wrong_type", "not_a_choice", "out_of_range", "too_long", "secret_missing", "bad_name", "archived", "disabled",
    "given_up",
})  # fmt: skip


def require_turn(context: WorkspaceContext) -> None:
    """Raises TooManyRequests where the caller's token has started as many runs within an hour as it may.

    Asked twice: before anything is read, which spares the work, and by `note` with the token's row locked.
    """
    token = context.token
    if token is not None and token.scope and token.runs_per_hour is not None:
        _require_turn(token, token.runs_per_hour, ())


def note(context: WorkspaceContext, runs: Sequence[Run], version: PipelineEndpointVersion) -> None:
    """Write down what started these runs, in the transaction in which they appear. Raises as `require_turn`, and
    Unauthenticated for a token that has ended meanwhile.

    The token's row is locked, so that of two calls at once, also in two processes, the second counts the first.
    """
    token = context.token if context.endpoint is not None else None
    if token is not None:
        held = ApiToken.objects.select_for_update(no_key=True).filter(pk=token.pk).first()
        if held is None or not held.is_good(now()):
            raise Unauthenticated(_("This token has ended. Ask for a new one."), code="token_revoked")
        if held.runs_per_hour is not None:
            _require_turn(held, held.runs_per_hour, runs)
    endpoint = version.endpoint
    EndpointRun.objects.bulk_create(
        EndpointRun(run=run, endpoint=endpoint, version=version, token=token) for run in runs
    )
    if token is not None and token.kind == ApiToken.Kind.FORM:
        for run in runs:
            audit.note(context, "endpoint.form_run", str(endpoint.pk), name=endpoint.name, run=str(run.pk))


@contextmanager
def without_names(context: WorkspaceContext) -> Iterator[None]:
    """Starts a run inside. A token of an endpoint is told of a refusal that is about the workspace its code and status
    alone: the words name clusters, datastores and environments, also those that the endpoint does not use."""
    try:
        yield
    except (TooManyRequests, Unauthenticated):
        raise
    except StudioError as refusal:
        problems = refusal.facts.get("problems") or ()
        codes = {refusal.code, *(each["code"] for each in problems)}
        if context.endpoint is None or codes <= OF_CALLER:
            raise
        text = _("The endpoint cannot be run at present. Ask whoever gave you the token.")
        raise type(refusal)(text, code=refusal.code) from refusal


def is_of_token(context: WorkspaceContext, run_id: UUID) -> bool:
    """Whether the caller's token started this run, or the run that this is a step of."""
    rows = EndpointRun.objects.filter(token=context.token, run__workspace=context.workspace)
    return context.token is not None and rows.filter(run__in=Run.objects.filter(pk=run_id).values("root")).exists()


def _require_turn(token: ApiToken, most: int, runs: Sequence[Run]) -> None:
    """The run that is `most` back has to be older than the window. A read of as many rows of one index."""
    others = EndpointRun.objects.filter(token=token).exclude(run__in=runs)
    oldest: datetime | None = others.order_by("-run").values_list("run__created_at", flat=True)[most - 1 : most].first()
    moment = now()
    if oldest is None or oldest + WINDOW <= moment:
        return
    wait = max(math.ceil((oldest + WINDOW - moment).total_seconds()), 1)
    minutes = math.ceil(wait / 60)
    raise TooManyRequests(
        ngettext(
            "The limit of runs an hour, %(most)s, is reached. Try again in %(minutes)s minute.",
            "The limit of runs an hour, %(most)s, is reached. Try again in %(minutes)s minutes.",
            minutes,
        )
        % {"most": most, "minutes": minutes},
        wait,
        runs_per_hour=most,
    )
