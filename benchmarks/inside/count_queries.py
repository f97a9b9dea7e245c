"""Submit a run's graph again and carry it forward, counting statements. Everything is rolled back."""

from __future__ import annotations

import sys
import time

from benchmarks.inside import open_studio, tell


def main(run_id: str) -> None:
    """The rollback keeps all wake-ups silent, so that no worker takes a part of the work away from the count."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from runs.models import Run
    from runs.services.orchestration import progress
    from runs.services.submission import submit
    from workspaces.access import WorkspaceContext
    from workspaces.models import Role

    run = Run.objects.select_related("workspace", "experiment", "submitted_by").get(pk=run_id)
    context = WorkspaceContext(run.workspace, Role.OWNER, user=run.submitted_by)
    with transaction.atomic():
        began = time.perf_counter()
        with CaptureQueriesContext(connection) as seen:
            second = submit.resubmit(context, run)
            progress.advance(second.pk)
        seconds = time.perf_counter() - began
        second.refresh_from_db()
        transaction.set_rollback(True)
    tell(queries=len(seen), seconds=seconds, status=second.status)


if __name__ == "__main__":
    open_studio()
    main(sys.argv[1])
