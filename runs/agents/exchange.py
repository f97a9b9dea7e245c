"""The agents' one conversation: reports in, work out, leases renewed, and a long poll when there is nothing to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt
from msgspec import structs

from compute.models import Host
from compute.services import hosts
from core import heartbeats
from core.clock import now
from core.errors import Invalid, StudioError
from core.frames import group_of
from core.ids import as_uuid
from duto_protocol.messages import SPOKEN, Answer, Cancel, Drop, Exchange, HostFacts
from duto_protocol.reading import NotUnderstood, Reading, read, written
from duto_protocol.reports import reports_of
from environments.services import builds as environment_builds
from environments.services import images as environment_images
from runs.agents.decorators import body_of, host_of, refusal, refusal_of
from runs.agents.wakeup import Wakeup
from runs.models import Attempt, Run
from runs.services.agent_reports import claims, reports
from runs.services.agent_reports.claims import OpenAttempt
from runs.services.maintenance import retention, unresponsive
from runs.services.scheduling import wakeups

MAX_WAIT = 30.0
MAX_WANT = 1000
GRACE_S = 10
BODY_MAX = 64 * 1024 * 1024
SEEN_EVERY = timedelta(seconds=2)


@csrf_exempt
async def exchange(request: HttpRequest) -> HttpResponse:
    """POST exchange (docs/protocol.md)."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        host, message, wait, answer = await _in_thread(_first, request)
        if wait > 0 and not (answer.refused or answer.cancel):
            answer = await _wait(host, message, answer, wait)
    except StudioError as error:
        return refusal(error)
    except (OSError, Error) as error:
        return refusal_of(error)
    return HttpResponse(written(answer), content_type="application/json")


exchange.most = BODY_MAX  # type: ignore[attr-defined]


def _first(request: HttpRequest) -> tuple[Host, Exchange, float, Answer]:
    """The host, what it says, how long it waits for work, and the answer for now: all in one turn of one thread."""
    host = host_of(request)
    _require_version(request)
    reading = exchange_of(host, body_of(request, BODY_MAX) or b"{}")
    wait = within(reading.message.wait, MAX_WAIT)
    # Who waits looks for work once it listens, not before and again.
    answer = answer_to(host, reading, want=0 if wait > 0 else None)
    return host, reading.message, wait, answer


def _require_version(request: HttpRequest) -> None:
    """Raises Invalid for an agent of a version that this studio does not speak. One that names none speaks the first."""
    version = request.headers.get("X-Duto-Agent", "1").partition(" ")[0]
    if version not in SPOKEN:
        raise Invalid(
            f"This agent speaks version {version[:20]!r} of the protocol, the studio {', '.join(sorted(SPOKEN))}. "
            "Upgrade the older of the two.",
            code="protocol",
        )


def exchange_of(host: Host, body: bytes) -> Reading[Exchange]:
    """What an agent says. What is not understood is left out and named in the log. Raises Invalid."""
    try:
        reading = read(body, Exchange)
    except (
        NotUnderstood
    ) as error:  # What a script raised stands in the verdict. An agent would send a refused one for ever.
        raise Invalid("The body is not JSON, or no object.") from error
    for name, is_a in (("wait", "a number"), ("want", "a number"), ("reports", "a list"), ("holding", "a list")):
        if name in reading.wrong:
            raise Invalid(f"'{name}' is {is_a}.")
    return reading


def within(value: float | None, most: float) -> float:
    """A number, within 0 and `most`."""
    return max(0, min(value or 0, most))


def answer_to(host: Host, reading: Reading[Exchange], want: float | None = None) -> Answer:
    """Take the reports, renew the leases, give the work; `want` in the place of what the agent asks for."""
    message = reading.message
    want = within(message.want if want is None else want, MAX_WANT)
    received, wrong = reports_of(message)
    hosts.note_ignored(host, reading.ignored, [*wrong, *reports.ignored_in(received)])
    _note_seen(host, message.host or HostFacts())
    with wakeups.without_wakeup_of(host.name if want else ""):
        refused = reports.take_reports(host, received)
        news = _news(host, message, want)
    return structs.replace(
        news, refused=refused, lease_seconds=settings.DUTO.lease_seconds, keep=retention.for_host(host)
    )


def _note_seen(host: Host, facts: HostFacts) -> None:
    """A sign of life is written every few seconds only, but what a new agent tells of its machine at once."""
    is_new = isinstance(facts.started_at, datetime) and facts.started_at != host.agent_started_at
    if is_new or host.last_seen_at is None or now() - host.last_seen_at > SEEN_EVERY:
        hosts.seen(host, facts)
        if is_new:
            environment_images.interrupt_images(host, "agent_restarted")


def _news(host: Host, message: Exchange, want: float, mine: list[OpenAttempt] | None = None) -> Answer:
    held = _held(message)
    mine = claims.open_attempts(host) if mine is None else mine
    _renew(host, held, mine)
    work = claims.claim(host, int(want), held, mine) if want >= 1 else []
    if want >= 1:
        work += [environment_builds.build_work(build, host.pythons) for build in environment_builds.take_builds(host)]
    known = {each.id for each in mine}
    # What the agent holds and the studio has ended, or never knew: its directory may go.
    drop = [Drop(str(key)) for key in held if key not in known]
    return Answer(work=work, cancel=_cancels(host, mine), drop=drop)


def _held(message: Exchange) -> dict[UUID, int]:
    """What the agent says that it holds: attempt and epoch."""
    pairs = ((as_uuid(each.attempt), each.epoch) for each in message.holding or ())
    return {key: epoch for key, epoch in pairs if key is not None}


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
    unresponsive.mark_responding(
        (each.id, each.run__root_id) for each in due if each.run__status == Run.Status.NOT_RESPONDING
    )


def _cancels(host: Host, mine: list[OpenAttempt]) -> list[Cancel]:
    """Of attempts, and on a host of containers of images that are being built."""
    asked = (each for each in mine if each.cancel_requested_at and each.status != Attempt.Status.QUEUED)
    found = [Cancel(attempt=str(each.id), epoch=each.epoch, grace_seconds=GRACE_S) for each in asked]
    return found + (environment_images.image_cancels(host) if host.launcher == Host.Launcher.DOCKER else [])


def _has_news(answer: Answer) -> bool:
    return bool(answer.work or answer.cancel or answer.drop or answer.refused)


async def _in_thread(function: Callable[..., Any], *given: Any) -> Any:
    """Do it in a thread of the pool: unlike the request's own, such a thread keeps its SQLite connection."""
    return await sync_to_async(_with_connection, thread_sensitive=False)(function, *given)


def _with_connection(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    finally:
        if connection.vendor != "sqlite":  # the connections of a server are few, and a pool makes a new one cheap
            connection.close()


async def _wait(host: Host, message: Exchange, answer: Answer, wait: float) -> Answer:
    """Sleep until this host's wake-up comes, or until a lease of which its agent may not have heard is to be sent again.

    Listening begins before the second look, so that no wake-up falls between. A wake-up that is lost costs what is left of the
    wait: the agent asks again at once, and that is a look.
    """
    deadline = time.monotonic() + wait
    async with Wakeup(group_of(f"host:{host.name}")) as wakeup:
        while True:
            news, resend = await _in_thread(_look, host, message)
            answer = structs.replace(answer, work=news.work, cancel=news.cancel, drop=news.drop, refused=[])
            left = deadline - time.monotonic()
            if _has_news(answer) or left <= 0:
                return answer
            if not await wakeup.wait(min(left, resend)):
                deadline = 0.0  # the broker is away: one more look, and the agent asks again
            elif time.monotonic() >= deadline:
                return answer


def _look(host: Host, message: Exchange) -> tuple[Answer, float]:
    """What there is for this host, and in how many seconds one must look again, whether a wake-up comes or not."""
    mine, want = claims.open_attempts(host), within(message.want, MAX_WANT)
    news = _news(host, message, want, mine)
    return news, claims.seconds_to_resend(mine, _held(message)) if want >= 1 else float("inf")
