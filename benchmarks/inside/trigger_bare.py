"""Submit the runs of a published pipeline one after the other, with nobody beside; all is rolled back."""

from __future__ import annotations

import sys
import time

from benchmarks.inside import open_studio, tell


def main(pipeline_id: str, count: int) -> None:
    """The rollback keeps all wake-ups silent."""
    from django.db import transaction

    from pipelines.models import PublishedPipeline
    from runs.services.submission import publish
    from workspaces.access import WorkspaceContext
    from workspaces.models import Role

    pipeline = PublishedPipeline.objects.select_related("workspace", "published_by").get(pk=pipeline_id)
    context = WorkspaceContext(pipeline.workspace, Role.OWNER, user=pipeline.published_by)
    with transaction.atomic():
        began = time.perf_counter()
        for _ in range(count):
            publish.trigger(context, pipeline, experiment="bare")
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    tell(seconds=seconds)


if __name__ == "__main__":
    open_studio()
    main(sys.argv[1], int(sys.argv[2]))
