"""What follows for runs when the build of an environment ends, and builds that no host can make any more."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from core import sentences
from duto.spec.conda import only_there, refusal
from environments import services as environments
from runs.models import Run
from runs.services.orchestration.progress import advance_some
from runs.services.scheduling.conda_hosts import hosts_with_conda


def build_ended(build_id: Any) -> None:
    """An environment is ready or has failed: carry forward the runs that wait for it."""
    rows = Run.objects.filter(step__waiting__0__facts__build=str(build_id)).exclude(status__in=Run.ENDS)
    for root_id in set(rows.values_list("root_id", flat=True)):
        advance_some(root_id)


def fail_unbuildable() -> int:
    """End builds for which there is no host any more, or never was one; how many."""
    waiting = environments.queued_with_conda()
    if not waiting:
        return 0
    rooms = {host.workspace_id for host in hosts_with_conda(Q())}
    count = 0
    for build, asked_by in waiting:
        if None in rooms or rooms & asked_by:
            continue
        if environments.fail_build(build, sentences.keep(refusal(only_there(build.recipe["conda"])))):
            build_ended(build.pk)
            count += 1
    return count
