"""What agents bring and fetch for an attempt: its log, its spool, its samples, its files. Each call may be repeated safely.

Transfers, the addresses below `attempts/<id>/<epoch>/files/`:

* GET `blob/<digest>`: a blob of the workspace (the files of a snapshot)
* GET `ledger/<attempt>`: the ledger of an earlier attempt of this step, or of the step that it resumes
* GET `kept/<attempt>/<path>`: a file of the output that is kept with such a ledger
* GET `data/<datastore>/<path>`: a file of a datastore of the workspace (inputs); to who says `X-Duto-Direct` 307 with a short-lived
  address of the store's own where its kind has such; with `If-Match` 412 where it has changed since it was listed
* PUT `output/<name>/<path>` (a single file: `output/<name>`), PUT `artifact/<path>`: kept in the attempt's staging folder until
  a finish with the right epoch promotes them; `?digest=` lets the studio verify what arrived
"""

from __future__ import annotations

from typing import BinaryIO, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from compute.models import Host
from core import sentences
from core.errors import Invalid, NotFound
from core.sentences import Kept
from core.serving import serve
from core.text import clean
from datasets import stores
from duto_protocol.messages import Addresses, AddressesAsk, BatchAsk, Meeting, Parts, PartsAsk, made_of
from duto_protocol.reading import NotUnderstood, read, written
from duto_protocol.values import Message
from environments.models import EnvironmentBuild
from environments.services import logs as build_logs
from runs.agents.decorators import agent_call, attempt_for, body_of, offset_of, rank_of, stale
from runs.models import Attempt
from runs.services.agent_reports import sharing
from runs.services.agent_reports.rendezvous import meet
from runs.services.agent_reports.spool import ingest, skip
from runs.services.results import ledgers, logs, part_uploads, transfers, usage

Asked = TypeVar("Asked", bound=Message)
# Says that an agent follows an address of a datastore's own.
DIRECTLY = "X-Duto-Direct"
LOG_MAX = 8 * 1024 * 1024
MEETING_MAX = 64 * 1024
PARTS_MAX = 4 * 1024 * 1024
SPOOL_MAX = 8 * 1024 * 1024
# What attempts of before have left for this one.
GIVEN = {"ledger": ledgers.get, "kept": ledgers.get_kept}


@agent_call("PUT", most=LOG_MAX)
def log(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    rank = rank_of(request)
    return JsonResponse({"size": logs.append(mine, offset_of(request), body_of(request, LOG_MAX), rank)})


@agent_call("PUT", most=SPOOL_MAX)
def spool(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    body = body_of(request, SPOOL_MAX)
    if "skip" in request.GET:
        return JsonResponse({"size": skip(mine, offset_of(request), offset_of(request, "skip"), _why(request, body))})
    return JsonResponse({"size": ingest(mine, offset_of(request), body)})


def _why(request: HttpRequest, body: bytes) -> Kept:
    """Why a line stays at its agent: a text, and in a header what it is made of."""
    text = clean(body.decode("utf-8", "replace"))
    try:
        parts = read(request.headers.get("X-Duto-Said", "{}").encode(), Parts).message
    except NotUnderstood:
        return text
    return sentences.of_parts(text, made_of(parts, text))


@agent_call("PUT", most=SPOOL_MAX)
def samples(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    return JsonResponse({"size": usage.append(mine, offset_of(request), body_of(request, SPOOL_MAX))})


@agent_call("PUT", most=SPOOL_MAX)
def ledger(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    return JsonResponse({"size": ledgers.append(mine, offset_of(request), body_of(request, SPOOL_MAX))})


def _asked(request: HttpRequest, most: int, kind: type[Asked], says: str) -> Asked:
    """The body as a message of which nothing is amiss. Raises Invalid; `says`: what the body has to say."""
    try:
        asked = read(body_of(request, most), kind)
    except NotUnderstood as error:
        raise Invalid(says) from error
    if asked.wrong:
        raise Invalid(f"What is told of {', '.join(asked.wrong)} is not understood.")
    return asked.message


@agent_call("PUT", most=MEETING_MAX)
def share(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    asked = _asked(request, MEETING_MAX, BatchAsk, "The body says what the node has done, and whether it wants more.")
    answer = sharing.share(mine, asked, f"/agent/v1/attempts/{attempt}/{epoch}/files")
    return HttpResponse(written(answer), content_type="application/json")


@agent_call("PUT", most=PARTS_MAX)
def addresses(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = attempt_for(host, attempt, epoch)
    asked = _asked(request, PARTS_MAX, AddressesAsk, "The body says which files are to be read: 'files'.")
    found = [transfers.presigned(mine, *_named(each)) for each in asked.files]
    given = [address if _is_of_use(host, address) else "" for address in found]
    return HttpResponse(written(Addresses(given)), content_type="application/json")


def _named(transfer: str) -> tuple[str, str]:
    kind, _, rest = transfer.partition("/")
    return kind, rest


def _is_of_use(host: Host, address: str) -> bool:
    """Whether the host can reach what lies on the studio's own machine, if the address leads there."""
    return bool(address and (host.store_marker or not stores.is_here(urlsplit(address).hostname)))


@agent_call("PUT", most=PARTS_MAX)
def parts(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    asked = _asked(
        request, PARTS_MAX, PartsAsk, "The body says which output's files are to be sent: 'output' and 'files'."
    )
    offer = part_uploads.offer(mine, asked, bool(host.store_marker))
    return HttpResponse(written(offer), content_type="application/json")


@agent_call("PUT", most=MEETING_MAX)
def rendezvous(request: HttpRequest, host: Host, attempt: UUID, epoch: int) -> HttpResponse:
    mine = _open(attempt_for(host, attempt, epoch))
    try:
        own = read(body_of(request, MEETING_MAX), Meeting)
    except NotUnderstood as error:
        raise Invalid("The body says where the member is: 'address' and 'ports'.") from error
    if own.wrong or not own.message.address or not own.message.ports:
        raise Invalid("The body says where the member is: 'address', a text, and 'ports', numbers from 1 to 65535.")
    return HttpResponse(written(meet(mine, own.message)), content_type="application/json")


@agent_call("PUT", most=LOG_MAX)
def build_log(request: HttpRequest, host: Host, build: UUID) -> HttpResponse:
    mine = EnvironmentBuild.objects.filter(pk=build, host_id=host.pk).first()
    if mine is None:
        raise NotFound("This host has no such build.")
    size = build_logs.append_build_log(mine, offset_of(request), body_of(request, LOG_MAX))
    return JsonResponse({"size": size})


@agent_call("GET", "PUT", most=None)
def transfer(request: HttpRequest, host: Host, attempt: UUID, epoch: int, transfer: str) -> HttpResponseBase:
    mine = attempt_for(host, attempt, epoch)
    kind, rest = _named(transfer)
    if request.method == "PUT":
        size = transfers.put(_open(mine), kind, rest, cast(BinaryIO, request), request.GET.get("digest") or None)
        return JsonResponse({"size": size})
    if kind in GIVEN:
        source, size, name = GIVEN[kind](mine, rest)
    else:
        address = transfers.presigned(mine, kind, rest) if request.headers.get(DIRECTLY) else ""
        if _is_of_use(host, address):
            return HttpResponse(status=307, headers={"Location": address})
        source, size, name = transfers.get(mine, kind, rest, request.headers.get("If-Match", "").strip('"'))
    return serve(request, source, size, name, "application/octet-stream")


def _open(attempt: Attempt) -> Attempt:
    """The attempt, while something may still be written for it. Raises Conflict (`stale_epoch`) once it is over."""
    if attempt.is_final:
        raise stale(attempt)
    return attempt
