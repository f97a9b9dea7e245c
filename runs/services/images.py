"""End the making of an image: the wish is a row, the host's bell rings."""

from __future__ import annotations

from compute.models import Host
from environments import services as environments
from environments.models import Image
from runs.services import placing
from workspaces.access import Room


def cancel(room: Room, image: Image) -> Image:
    """All steps that wait for it end with a cause that names who canceled it. Raises Conflict where it is not built."""
    row = environments.cancel_image(room, image)
    for name, is_local in Host.objects.filter(pk=row.host_id).values_list("name", "is_local"):
        placing.ring_host(name, by_queue=is_local)
    return row
