"""What follows for runs when the build of an environment ends, builds that no host can make any more, and an image whose
build is canceled."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from compute.models import Host
from core import sentences
from core.errors import Conflict
from duto.spec.conda import only_there, refusal
from environments.models import Image
from environments.services import builds as environment_builds
from environments.services import images as environment_images
from runs.models import Run
from runs.queries import images as image_queries
from runs.services.orchestration.progress import advance_some
from runs.services.scheduling import wakeups
from runs.services.scheduling.abilities import hosts_with
from workspaces.access import WorkspaceContext


def build_ended(build_id: Any) -> None:
    """An environment is ready or has failed: carry forward the runs that wait for it."""
    rows = Run.objects.filter(step__waiting__0__facts__build=str(build_id)).exclude(status__in=Run.ENDS)
    for root_id in set(rows.values_list("root_id", flat=True)):
        advance_some(root_id)


def fail_unbuildable() -> int:
    """End builds for which there is no host any more, or never was one; how many."""
    waiting = environment_builds.queued_with_conda()
    if not waiting:
        return 0
    workspaces = {host.workspace_id for host in hosts_with("conda", Q())}
    count = 0
    for build, asked_by in waiting:
        if None in workspaces or workspaces & asked_by:
            continue
        if environment_builds.fail_build(build, sentences.keep(refusal(only_there(build.recipe["conda"])))):
            build_ended(build.pk)
            count += 1
    return count


def cancel_image(context: WorkspaceContext, image: Image) -> Image:
    """All steps that wait for it end with a cause that names who canceled it.

    Raises Conflict where it is not built, or where steps of another workspace wait for it too.
    """
    if image_queries.is_waited_for_elsewhere(context.workspace, image):
        raise Conflict(
            _(
                "Steps of another workspace wait for this image too. Cancel the runs of your own that wait for it instead."
            ),
            code="shared_build",
        )
    row = environment_images.cancel_image(context, image)
    for name, is_local in Host.objects.filter(pk=row.host_id).values_list("name", "is_local"):
        wakeups.wake_host(name, by_queue=is_local)
    return row
