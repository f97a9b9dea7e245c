"""End the making of an image: the wish is a row, the host's bell rings."""

from __future__ import annotations

from django.utils.translation import gettext as _

from compute.models import Host
from core.errors import Conflict
from environments import services as environments
from environments.models import Image
from runs.queries import images as queries
from runs.services.scheduling import placing
from workspaces.access import WorkspaceContext


def cancel(context: WorkspaceContext, image: Image) -> Image:
    """All steps that wait for it end with a cause that names who canceled it.

    Raises Conflict where it is not built, or where steps of another workspace wait for it too.
    """
    if queries.is_waited_for_elsewhere(context.workspace, image):
        raise Conflict(
            _(
                "Steps of another workspace wait for this image too. Cancel the runs of your own that wait for it instead."
            ),
            code="shared_build",
        )
    row = environments.cancel_image(context, image)
    for name, is_local in Host.objects.filter(pk=row.host_id).values_list("name", "is_local"):
        placing.ring_host(name, by_queue=is_local)
    return row
