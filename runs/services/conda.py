"""Steps with conda packages: only hosts with a micromamba base can build their environments, and so run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from compute.models import ComputeTarget, Host
from core.errors import Unprocessable
from core.prepared import Prepared
from duto.spec.conda import only_there, refusal
from duto.spec.graph import Step
from environments import services as environments
from environments.models import EnvironmentVersion
from runs.models import StepRun
from runs.services import finish as finishing
from workspaces.models import Workspace


def section_of(version: EnvironmentVersion | None) -> Mapping[str, Any]:
    """The conda part of an environment; empty if it has none."""
    python = (version.definition if version else {}).get("python") or {}
    return python.get("conda") or {}


def require_hosts(
    workspace: Workspace,
    steps: Iterable[Step],
    versions: Mapping[str, EnvironmentVersion | None],
    targets: Mapping[str, ComputeTarget],
) -> None:
    """Raises Unprocessable for steps whose cluster has no host that could ever run them."""
    asked = [(step, section) for step in steps if (section := section_of(versions[step.id]))]
    if not asked:
        return
    able = {host.pk: host for host in _able(Q(workspace=workspace) | Q(workspace__isnull=True))}
    problems = [
        {"code": "conda_only", "message": f"Step '{step.name}': {refusal(only_there(section))}", "step": step.id}
        for step, section in asked
        if not _has_one(targets[str(step.compute).lower()], able)
    ]
    if problems:
        raise Unprocessable("\n".join(p["message"] for p in problems), code="conda_only", problems=problems)


def asking(runs: Sequence[UUID]) -> set[UUID]:
    """Of these step runs those whose environment has conda packages."""
    if not runs:
        return set()
    rows = _OF_ONE.all(runs[0]) if len(runs) == 1 else _with_conda().filter(run__in=runs)
    return {key for (key,) in rows}


def _with_conda() -> QuerySet[StepRun, tuple[UUID]]:
    version = EnvironmentVersion.objects.filter(pk=OuterRef("environment_version_id"))
    rows = StepRun.objects.filter(Exists(version.filter(definition__python__has_key="conda")))
    return rows.values_list("run_id")


_OF_ONE: Prepared[tuple[UUID]] = Prepared(lambda run: _with_conda().filter(run=run))


def fail_unbuildable() -> int:
    """End builds for which there is no host any more, or never was one; how many."""
    waiting = environments.queued_with_conda()
    if not waiting:
        return 0
    rooms = {host.workspace_id for host in _able(Q())}
    count = 0
    for build, asked_by in waiting:
        if None in rooms or rooms & asked_by:
            continue
        if environments.fail_build(build, refusal(only_there(build.recipe["conda"]))):
            finishing.build_ended(build.pk)
            count += 1
    return count


def _able(which: Q) -> list[Host]:
    rows = Host.objects.filter(which, revoked_at__isnull=True, launcher=Host.Launcher.DOCKER)
    return [host for host in rows.only("id", "workspace_id", "facts") if host.facts.get("conda")]


def _has_one(target: ComputeTarget, able: Mapping[UUID, Host]) -> bool:
    attached = set(target.hosts.values_list("pk", flat=True))
    return bool(attached & set(able)) if attached else bool(able)
