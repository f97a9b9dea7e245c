"""Images on hosts, as their agents tell of them; the request to cancel the build of one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from core import outbox, sentences
from core.clock import now
from core.errors import ConcurrentUpdate, Conflict
from core.sentences import Kept
from duto_protocol.messages import Cancel, ImageReport
from environments import why
from environments.models import EnvironmentVersion, Image
from environments.stored_messages import columns, say
from workspaces.access import WorkspaceContext
from workspaces.models import Role

log = logging.getLogger(__name__)
TAG = re.compile(r"duto/(env|base|pull):[0-9a-f]{1,64}")
ENVS, BASES, PULLS = "duto/env", "duto/base", "duto/pull"
PARTS = ("base", "micromamba", "lock", "template", "dockerfile", "image")
TEXT_MOST, NAME_MOST, MESSAGE_MOST, BYTES_MOST = 128, 255, 4000, (1 << 63) - 1
UNITS = ("steps", "bytes")
COMPARED = 200


class IsHost(Protocol):
    """A host, as far as this app may know it."""

    name: str

    @property
    def pk(self) -> Any: ...


@transaction.atomic
def report_image(host: IsHost, report: ImageReport, attempt: UUID | None, version: EnvironmentVersion | None) -> None:
    """What a host says of an image. Safe to repeat; what is not understood is left out.

    `attempt` and `version`: the attempt whose log tells of it, and its step's environment, where they are known.
    """
    tag, take = report.image, _EVENTS.get(report.event)
    if not TAG.fullmatch(tag) or take is None:
        log.warning("host %s tells of an image in a way that is not understood", host.name)
        return
    event = _ImageEvent(host, tag, report, attempt, version)
    row = Image.objects.select_for_update().filter(host_id=host.pk, tag=tag).first()
    try:
        with transaction.atomic():
            take(row, event)
            if version is not None:  # a base image names no lock by which its workspaces are found
                outbox.hint(f"list:{version.workspace.name}:images")
    except (IntegrityError, ConcurrentUpdate):  # another call of the same agent was first; the agent's next word counts
        log.info("a report of the image %s of host %s came twice", tag, host.name)


class _ImageEvent:
    """A report, within the bounds of a row."""

    def __init__(
        self,
        host: IsHost,
        tag: str,
        report: ImageReport,
        attempt: UUID | None,
        version: EnvironmentVersion | None,
    ) -> None:
        self.host, self.tag, self.report, self.attempt, self.version = host, tag, report, attempt, version
        self.recipe = {
            name: each[:NAME_MOST] for name in PARTS if (each := (report.recipe or {}).get(name)) is not None
        }
        self.lock_digest = (report.lock_digest or "")[:64]
        self.base_tag: str | None = None
        if version is not None and tag.startswith(f"{ENVS}:"):
            self.base_tag = version.base_tag
            # What it was asked to install is not for the host to say.
            self.lock_digest = version.build.lock_digest if version.build else ""
        self.message = (report.message or "")[:MESSAGE_MOST]
        self.progress = _progress(report)
        # The agent's own time names this making of the image: the same word again is no second one.
        self.at = report.at or None

    def facts(self) -> dict[str, Any]:
        """What it is made of, and who asked for it."""
        found: dict[str, Any] = {"host_name": self.host.name, "recipe": self.recipe, "lock_digest": self.lock_digest}
        found = {name: value for name, value in found.items() if value}
        found |= {"base_tag": self.base_tag} if self.base_tag is not None else {}
        return found | ({"attempt_id": self.attempt} if self.attempt else {})

    def new(self, status: str, **facts: Any) -> Image:
        return Image.objects.create(host_id=self.host.pk, tag=self.tag, status=status, **self.facts(), **facts)


def _building(row: Image | None, event: _ImageEvent) -> None:
    if event.progress:
        if row is not None and row.status == Image.Status.BUILDING:
            kept = {name: row.progress[name] for name in ("canceled_by", "canceled_in") if name in row.progress}
            _update(row, progress={**event.progress, **kept})
        return
    started = event.at or now()
    if row is not None and row.started_at == started:
        return
    fresh: dict[str, Any] = {
        "started_at": started, "finished_at": None, "progress": {}, "cancel_requested_at": None,
        **columns(message="", reason=_reason(row, event)),
    }  # fmt: skip
    if row is None:
        row = event.new(Image.Status.BUILDING, **fresh)
        row.on_transition(Image.Status.BUILDING, {})
    elif row.status == Image.Status.BUILDING:  # its agent was killed amid the last one
        _update(row, **fresh, **event.facts())
    else:
        row.move(Image.Status.BUILDING, **fresh, **event.facts())


def _ready(row: Image | None, event: _ImageEvent) -> None:
    given = {"image_id": (event.report.image_id or "")[:80], "size": _count(event.report.size or 0)}
    if row is not None and row.status == Image.Status.READY:
        changed = {name: value for name, value in {**event.facts(), **given}.items() if getattr(row, name) != value}
        if changed:
            _update(row, **changed)
        return
    facts = {"finished_at": now(), "message": "", "progress": {}, "cancel_requested_at": None, **given}
    if event.report.fetched:
        facts |= {**columns(reason=say("image_fetched")), "started_at": None}
    if row is None:
        event.new(Image.Status.READY, **facts).on_transition(Image.Status.READY, facts)
    else:
        row.move(Image.Status.READY, **facts, **event.facts())


def _failed(row: Image | None, event: _ImageEvent) -> None:
    if row is None or row.status != Image.Status.BUILDING:
        return
    message = (
        sentences.of_parts(event.message, event.report.parts_of(event.message))
        if event.message
        else say("image_ended_badly")
    )
    _end(row, message)


def _removed(row: Image | None, event: _ImageEvent) -> None:
    if row is None or row.status in (Image.Status.BUILDING, Image.Status.REMOVED):
        return
    row.move(Image.Status.REMOVED, finished_at=now(), message="", progress={})


_EVENTS: dict[str, Callable[[Image | None, _ImageEvent], None]] = {
    "building": _building,
    "ready": _ready,
    "failed": _failed,
    "removed": _removed,
}


def _end(row: Image, message: Kept) -> None:
    words = columns(row.said, message=message)
    row.move(Image.Status.FAILED, finished_at=now(), progress={}, cancel_requested_at=None, **words)


def interrupt_images(host: IsHost, code: str) -> None:
    """Whatever this host was building is built no more: its agent has begun anew, or is none any more, by a code of `event`."""
    for row in Image.objects.filter(host_id=host.pk, status=Image.Status.BUILDING).order_by("id"):
        try:
            _end(row, say(code))
        except ConcurrentUpdate:
            continue


def cancel_image(context: WorkspaceContext, image: Image) -> Image:
    """Ask the host to end the build; the steps that wait for it end then. Asking twice changes nothing.

    Raises Conflict where it is not being built.
    """
    context.require(Role.CONTRIBUTOR).require_person()
    with transaction.atomic():
        row = Image.objects.select_for_update().get(pk=image.pk)
        if row.status != Image.Status.BUILDING:
            raise Conflict(_("This image is not being built now."), code="not_building", status=row.status)
        if row.cancel_requested_at is None:
            who = {"canceled_by": context.actor, "canceled_in": str(context.workspace.pk)}
            _update(row, cancel_requested_at=now(), progress={**row.progress, **who})
    return row


def image_cancels(host: IsHost) -> list[Cancel]:
    """The cancels that a host has not answered yet, for its agent (docs/protocol.md)."""
    rows = Image.objects.filter(host_id=host.pk, status=Image.Status.BUILDING, cancel_requested_at__isnull=False)
    return [Cancel(image=row.tag, by=row.progress.get("canceled_by", "")) for row in rows.only("tag", "progress")]


def base_tag(definition: Mapping[str, Any]) -> str | None:
    """The name of the base that a definition describes by a Dockerfile of its own, as agents give it, or of the fetch of
    the one that it names."""
    docker = definition.get("docker") or {}
    for part, kind in (("dockerfile", BASES), ("image", PULLS)):
        if isinstance(text := docker.get(part), str) and text:
            return f"{kind}:{_digest(text)[:32]}"
    return None


def _reason(row: Image | None, event: _ImageEvent) -> Kept:
    rows = _known_to(event.version).filter(host_id=event.host.pk).exclude(tag=event.tag).order_by("-id")
    others = list(rows.values_list("recipe", flat=True)[:COMPARED])
    return why.reason(event.recipe, row.status if row else None, others, _earlier(event.version))


def _known_to(version: EnvironmentVersion | None) -> QuerySet[Image]:
    """Images such as the environments of its workspace have: a reason tells of no base of another's on a shared host."""
    if version is None:
        return Image.objects.none()
    mine = EnvironmentVersion.objects.filter(workspace=version.workspace_id)
    same = mine.filter(build__lock_digest=OuterRef("lock_digest"), base_tag=OuterRef("base_tag"))
    return Image.objects.filter((Exists(same) & ~Q(lock_digest="")) | Exists(mine.filter(base_tag=OuterRef("tag"))))


def _earlier(version: EnvironmentVersion | None) -> set[str]:
    """Digests of the locks and Dockerfiles of other versions of the same environment."""
    if version is None or version.environment_id is None:
        return set()
    rows = EnvironmentVersion.objects.filter(environment=version.environment_id).exclude(pk=version.pk).order_by("-id")
    found: set[str] = set()
    for lock, definition in rows.values_list("build__lock_digest", "definition")[:COMPARED]:
        text = (definition.get("docker") or {}).get("dockerfile")
        found |= {lock or ""} | ({_digest(text)} if isinstance(text, str) else set())
    return found - {""}


def _update(row: Image, **facts: Any) -> None:
    """Facts that are no move; whoever looks on is event to look again."""
    Image.objects.filter(pk=row.pk).update(**facts)
    for name, value in facts.items():
        setattr(row, name, value)
    row.on_transition(row.status, facts)


def _progress(report: ImageReport) -> dict[str, Any]:
    progress = report.progress
    if not progress:
        return {}
    total, text = _count(progress.total), progress.text[:TEXT_MOST]
    words = columns(text=sentences.of_parts(text, report.parts_of(text)))
    unit = progress.unit if progress.unit in UNITS else UNITS[0]
    return {"done": min(_count(progress.done), total), "total": total, "unit": unit, **words}


def _count(value: int) -> int:
    return max(0, min(value, BYTES_MOST))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
