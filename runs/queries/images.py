"""Images on the hosts of a workspace, with what their agents tell of their use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from compute.models import Host
from core.clock import iso, parse
from core.errors import NotFound
from core.ids import as_key
from environments.models import EnvironmentVersion, Image
from environments.services.images import PULLS, base_tag
from environments.stored_messages import localized
from runs.models import Attempt, StepRun
from workspaces.models import Workspace

SHOWN = 50


@dataclass(frozen=True)
class Standing:
    """An image with its last use, and the attempt whose log tells of its build, if it is one of the workspace's."""

    image: Image
    used_at: datetime | None
    in_use: bool
    attempt: Attempt | None
    workspace: Workspace

    @property
    def is_others(self) -> bool:
        """Whether it was built for a step of another workspace: that it stands is told, not what its build says."""
        return self.image.attempt_id is not None and self.attempt is None

    @property
    def progress(self) -> dict[str, Any]:
        """How far the build is (docs/wire.md), its words only to those whose build it is."""
        names = ("done", "total", "unit") if self.is_others else ("done", "total", "text", "unit")
        progress = {**self.image.progress, **({"text": self._doing} if "text" in self.image.progress else {})}
        found = {name: progress[name] for name in names if name in progress}
        return {**found, "text": ""} if found and self.is_others else found

    @property
    def message(self) -> str:
        if self.image.message and self.is_others:
            return _("It was built for another workspace, which alone is told why that failed.")
        return self.image.localized_message

    @property
    def _doing(self) -> str:
        progress = self.image.progress
        return localized({"text": progress["text"], **((progress.get("said") or {}).get("text") or {})})

    @property
    def percent(self) -> int:
        """How much of the build is done, by its steps."""
        total = self.image.progress.get("total") or 0
        return int(100 * (self.image.progress.get("done") or 0) / total) if total else 0

    @property
    def canceled_by(self) -> str:
        progress = self.image.progress
        if not self.image.cancel_requested_at:
            return ""
        is_own = progress.get("canceled_in") in (None, str(self.workspace.pk))
        return str(progress.get("canceled_by") or "") if is_own else str(_("another workspace"))

    @property
    def fetches(self) -> str:
        """The name of the image that is fetched, as others have made it; empty for one that is built."""
        return str(self.image.recipe.get("image") or "")

    @property
    def base(self) -> str:
        return str(self.image.recipe.get("base") or "")

    def as_document(self) -> dict[str, Any]:
        """docs/wire.md, `images/`."""
        image, attempt = self.image, self.attempt
        return {
            "id": str(image.pk), "host": image.host_name, "tag": image.tag, "image_id": image.image_id,
            "status": image.status, "size": image.size, "base": self.base, "fetches": self.fetches, "lock_digest": image.lock_digest,
            "reason": image.localized_reason, "message": self.message, "progress": self.progress or None,
            "cancel_requested_at": iso(image.cancel_requested_at), "started_at": iso(image.started_at),
            "finished_at": iso(image.finished_at), "last_used_at": iso(self.used_at), "in_use": self.in_use,
            "attempt": str(attempt.pk) if attempt else None, "run": str(attempt.run_id) if attempt else None,
        }  # fmt: skip


def images_in(workspace: Workspace) -> QuerySet[Image]:
    """Images that were built for the workspace's steps, and all on hosts that are its alone. Of those that were built for
    nobody's, as far as is known now, such as its own environments have: the same lock on the same base."""
    standing = Host.objects.filter(revoked_at__isnull=True)
    alone = standing.filter(workspace=workspace)
    hosts = standing.filter(Q(workspace=workspace) | Q(workspace__isnull=True))
    same = EnvironmentVersion.objects.filter(
        workspace=workspace, build__lock_digest=OuterRef("lock_digest"), base_tag=OuterRef("base_tag")
    )
    attempts = Attempt.objects.filter(pk=OuterRef("attempt_id"))
    left = Exists(same.exclude(build__lock_digest="")) & ~Exists(attempts)
    own = Exists(attempts.filter(run__workspace=workspace)) | Q(host_id__in=alone.values("pk")) | left
    return Image.objects.filter(own, host_id__in=hosts.values("pk"))


def is_waited_for_elsewhere(workspace: Workspace, image: Image) -> bool:
    """Whether steps of other workspaces are being prepared on its host that need the image too."""
    needs = EnvironmentVersion.objects.filter(base_tag=image.tag)
    if image.lock_digest and image.base_tag is not None:
        needs = EnvironmentVersion.objects.filter(build__lock_digest=image.lock_digest, base_tag=image.base_tag)
    waiting = Attempt.objects.filter(
        host_id=image.host_id, status__in=[Attempt.Status.LEASED, Attempt.Status.PREPARING]
    )
    others = waiting.exclude(run__workspace=workspace)
    return others.filter(run__step__environment_version_id__in=needs.values("pk")).exists()


def image_in(workspace: Workspace, key: object) -> Image:
    """Raises NotFound."""
    found = images_in(workspace).filter(pk=as_key(key)).first()
    if found is None:
        raise NotFound(_("There is no such image in this workspace."))
    return found


def images_of(workspace: Workspace, version: EnvironmentVersion) -> list[Standing]:
    """What stands of an environment, newest first: its images, the base that it describes or names itself, and what was
    fetched for its steps."""
    digest = version.build.lock_digest if version.build else ""
    which = Q(lock_digest=digest) if digest else Q(pk__in=[])
    if tag := base_tag(version.definition):
        which |= Q(tag=tag)
    steps = StepRun.objects.filter(environment_version_id=version.pk)
    fetched = Attempt.objects.filter(pk=OuterRef("attempt_id"), run__in=steps.values("run"))
    which |= Q(Exists(fetched), tag__startswith=f"{PULLS}:")
    return standing(workspace, list(images_in(workspace).filter(which).order_by("-id")[:SHOWN]))


def standing(workspace: Workspace, images: Sequence[Image]) -> list[Standing]:
    """The same images with their use and their attempts: two statements, however many they are."""
    used = _used({image.host_id for image in images})
    attempts = Attempt.objects.filter(pk__in=[image.attempt_id for image in images if image.attempt_id])
    rows = attempts.filter(run__workspace=workspace).select_related("run__step", "run__root")
    logs = rows.defer("run__graph", "run__root__graph", "run__step__fingerprint_document").in_bulk()
    found = []
    for image in images:
        reported = used.get((image.host_id, image.tag), {}) if image.status == Image.Status.READY else {}
        attempt = logs.get(image.attempt_id) if image.attempt_id else None
        found.append(Standing(image, parse(reported.get("used_at")), bool(reported.get("in_use")), attempt, workspace))
    return found


def _used(hosts: set[UUID]) -> Mapping[tuple[UUID, str], Mapping[str, Any]]:
    """What agents tell of the images that stand (docs/wire.md, `storage`), by host and name."""
    found: dict[tuple[UUID, str], Mapping[str, Any]] = {}
    for key, facts in Host.objects.filter(pk__in=hosts).values_list("pk", "facts") if hosts else ():
        reported = (facts.get("storage") if isinstance(facts, dict) else None) or {}
        found |= {(key, str(each.get("key"))): each for each in reported.get("images") or []}
    return found
