"""The agents' one conversation: reports in, work out, leases renewed, and a long poll when there is nothing to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from compute.models import Host
from compute.services import hosts
from core import clock, heartbeats
from core.clock import now
from core.errors import Invalid, StudioError
from core.frames import group_of
from core.ids import as_uuid
from core.text import document_of
from environments import services as environments
from runs.agents.decorators import body_of, host_of, refusal, refusal_of
from runs.agents.wakeup import Wakeup
from runs.models import Attempt, Run
from runs.services.agent_reports import claims, reports
from runs.services.agent_reports.claims import OpenAttempt
from runs.services.maintenance import retention, unresponsive
from runs.services.scheduling import placing

MAX_WAIT = 30.0
MAX_WANT = 1000
BODY_MAX = 64 * 1024 * 1024
SEEN_EVERY = timedelta(seconds=2)


@csrf_exempt
async def exchange(request: HttpRequest) -> HttpResponse:
    """POST exchange (docs/wire.md, *Agents' API*)."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        host, document, wait, answer = await _in_thread(_first, request)
        if wait > 0 and not (answer["refused"] or answer["cancel"]):
            answer = await _wait(host, document, answer, wait)
    except StudioError as error:
        return refusal(error)
    except (OSError, Error) as error:
        return refusal_of(error)
    return JsonResponse(answer)


exchange.most = BODY_MAX  # type: ignore[attr-defined]


def _first(request: HttpRequest) -> tuple[Host, dict[str, Any], float, dict[str, Any]]:
    """The host, what it says, how long it waits for work, and the answer for now: all in one turn of one thread."""
    host, document = _read(request)
    wait = _number(document, "wait", MAX_WAIT)
    # Who waits looks for work once it listens, not before and again.
    return host, document, wait, answer_to(host, {**document, "want": 0} if wait > 0 else document)


def _read(request: HttpRequest) -> tuple[Host, dict[str, Any]]:
    host = host_of(request)
    try:  # What a script raised stands in the verdict. An agent would send a refused one for ever.
        document = document_of(body_of(request, BODY_MAX) or b"{}")
    except ValueError as error:
        raise Invalid("The body is not JSON.") from error
    if not isinstance(document, dict):
        raise Invalid("The body is a JSON object.")
    return host, document


def _number(document: dict[str, Any], name: str, most: float) -> float:
    """A number of the body, within 0 and `most`. Raises Invalid."""
    value = document.get(name) or 0
    if not isinstance(value, int | float):
        raise Invalid(f"'{name}' is a number.")
    return max(0, min(value, most))


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list of the body. Raises Invalid."""
    value = document.get(name) or []
    if not isinstance(value, list):
        raise Invalid(f"'{name}' is a list of objects.")
    return [each for each in value if isinstance(each, dict)]


def answer_to(host: Host, document: dict[str, Any]) -> dict[str, Any]:
    """Take the reports, renew the leases, give the work."""
    facts = document.get("host")
    _see(host, facts if isinstance(facts, dict) else {})
    with placing.talking_to(host.name if document.get("want") else ""):
        refused = reports.take_reports(host, _objects(document, "reports"))
        news = _news(host, document)
    lease = settings.DUTO.lease_seconds
    return {**news, "refused": refused, "lease_seconds": lease, "keep": retention.for_host(host)}


def _see(host: Host, facts: dict[str, Any]) -> None:
    """A sign of life is written every few seconds only, but what a new agent tells of its machine at once."""
    started = clock.parse(facts.get("started_at"))
    is_new = started is not None and started != host.agent_started_at
    if is_new or host.last_seen_at is None or now() - host.last_seen_at > SEEN_EVERY:
        hosts.seen(host, facts)
        if is_new:
            environments.interrupt_images(host, "agent_restarted")


def _news(host: Host, document: dict[str, Any], mine: list[OpenAttempt] | None = None) -> dict[str, Any]:
    held = _held(document)
    want = int(_number(document, "want", MAX_WANT))
    mine = claims.open_attempts(host) if mine is None else mine
    _renew(host, held, mine)
    work = claims.claim(host, want, held, mine) if want > 0 else []
    if want > 0:
        work += [environments.build_work(build, host.pythons) for build in environments.take_builds(host)]
    known = {each.id for each in mine}
    # What the agent holds and the studio has ended, or never knew: its directory may go.
    drop = [{"attempt": str(key)} for key in held if key not in known]
    return {"work": work, "cancel": _cancels(host, mine), "drop": drop, "refused": []}


def _held(document: dict[str, Any]) -> dict[UUID, int]:
    """What the agent says that it holds: attempt and epoch."""
    pairs = [(as_uuid(each.get("attempt")), each.get("epoch")) for each in _objects(document, "holding")]
    return {key: epoch for key, epoch in pairs if key is not None and isinstance(epoch, int)}


def _renew(host: Host, held: dict[UUID, int], mine: list[OpenAttempt]) -> None:
    """Leases move on when a part of them is used up: most calls write nothing."""
    until = now() + heartbeats.lease()
    due = [
        each
        for each in mine
        if held.get(each.id) == each.epoch and each.lease_until and each.lease_until < until - heartbeats.renew_after()
    ]
    if due:
        rows = Attempt.objects.filter(pk__in=[each.id for each in due], host=host)
        rows.exclude(status__in=Attempt.ENDS).update(lease_until=until)
    unresponsive.heard((each.id, each.run__root_id) for each in due if each.run__status == Run.Status.NOT_RESPONDING)


def _cancels(host: Host, mine: list[OpenAttempt]) -> list[dict[str, Any]]:
    """Of attempts, and on a host of containers of images that are being built."""
    asked = (each for each in mine if each.cancel_requested_at and each.status != Attempt.Status.QUEUED)
    found = [{"attempt": str(each.id), "epoch": each.epoch, "grace_seconds": 10} for each in asked]
    return found + (environments.image_cancels(host) if host.launcher == Host.Launcher.DOCKER else [])


def _has_news(answer: dict[str, Any]) -> bool:
    return any(answer[part] for part in ("work", "cancel", "drop", "refused"))


async def _in_thread(deed: Callable[..., Any], *given: Any) -> Any:
    """Do it in a thread of the pool: unlike the request's own, such a thread keeps its SQLite connection."""
    return await sync_to_async(_with_connection, thread_sensitive=False)(deed, *given)


def _with_connection(deed: Callable[..., Any], *given: Any) -> Any:
    try:
        return deed(*given)
    finally:
        if connection.vendor != "sqlite":  # the connections of a server are few, and a pool makes a new one cheap
            connection.close()


async def _wait(host: Host, document: dict[str, Any], answer: dict[str, Any], wait: float) -> dict[str, Any]:
    """Sleep until this host's bell rings, or until a lease of which its agent may not have heard is to be sent again.

    Listening begins before the second look, so that no bell falls between. A bell that is lost costs what is left of the
    wait: the agent asks again at once, and that is a look.
    """
    deadline = time.monotonic() + wait
    document = {**document, "reports": [], "host": None}
    async with Wakeup(group_of(f"host:{host.name}")) as bell:
        while True:
            news, resend = await _in_thread(_look, host, document)
            answer = {**answer, **news}
            left = deadline - time.monotonic()
            if _has_news(answer) or left <= 0:
                return answer
            if not await bell.rings(min(left, resend)):
                deadline = 0.0  # the broker is away: one more look, and the agent asks again
            elif time.monotonic() >= deadline:
                return answer


def _look(host: Host, document: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """What there is for this host, and in how many seconds one must look again, whether a bell rings or not."""
    mine = claims.open_attempts(host)
    wants = _number(document, "want", MAX_WANT) >= 1
    return _news(host, document, mine), claims.seconds_to_resend(mine, _held(document)) if wants else float("inf")
