"""Hosts in the middle of their work: each with so many attempts that run. Tells their keys and what each holds."""

from __future__ import annotations

import secrets
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.inside import open_studio, tell

if TYPE_CHECKING:
    from compute.models import ComputeTarget, Host
    from runs.models import Attempt, Run

BATCH = 2000
GIB = 1 << 30


def main(count: int, attempts: int) -> None:
    """A run for each host and a step for each attempt. Their leases are those of attempts that were just renewed."""
    from compute.models import ComputeTarget, Host
    from compute.services.hosts import digest_of
    from runs.models import Attempt, Experiment
    from workspaces.models import Workspace

    workspace = Workspace.objects.get(name="main")
    batch = secrets.token_hex(3)
    keys = [f"duto_host_{secrets.token_urlsafe(32)}" for _ in range(count)]
    hosts = Host.objects.bulk_create(
        [
            Host(
                name=f"beat-{batch}-{number}", key_digest=digest_of(key), workspace=workspace,
                cores=attempts, memory=attempts * GIB, pythons=["3.11.7"],
            )
            for number, key in enumerate(keys)
        ]
    )  # fmt: skip
    target = ComputeTarget.objects.create(
        workspace=workspace, name=f"beat-{batch}", vm_size="one", cores=1, memory=GIB, max_nodes=count * attempts
    )
    experiment, _ = Experiment.objects.get_or_create(workspace=workspace, name="beats")
    nodes = _nodes(target, hosts, attempts)
    steps = _steps(experiment, batch, hosts, attempts)
    rows = _attempts(target, nodes, steps)
    Attempt.objects.bulk_create(rows, batch_size=BATCH)
    held: dict[Any, list[str]] = {}
    for row in rows:
        held.setdefault(row.host_id, []).append(str(row.pk))
    tell(hosts=[{"key": key, "attempts": held[host.pk]} for host, key in zip(hosts, keys, strict=True)])


def _nodes(target: ComputeTarget, hosts: list[Host], attempts: int) -> list[Any]:
    from compute.models import Node

    nodes = [
        Node(
            compute_target=target, host=host, name=f"{host.name}-{number}", cores=1, memory=GIB,
            status=Node.Status.RUNNING,
        )
        for host in hosts
        for number in range(attempts)
    ]  # fmt: skip
    return Node.objects.bulk_create(nodes, batch_size=BATCH)


def _steps(experiment: Any, batch: str, hosts: list[Host], attempts: int) -> list[Run]:
    from core.clock import now
    from runs.models import Run, StepRun

    common = {"workspace": experiment.workspace, "experiment": experiment, "status": Run.Status.RUNNING}
    moment = now()
    first = Run.objects.filter(experiment=experiment, parent=None).count() + 1
    graph = {"schema": 1, "steps": [], "parameters": []}
    roots = [
        Run(kind=Run.Kind.PIPELINE, number=first + number, graph=graph, started_at=moment, **common)
        for number in range(len(hosts))
    ]
    for root in roots:
        root.root = root
    Run.objects.bulk_create(roots, batch_size=BATCH)
    steps = [
        Run(kind=Run.Kind.STEP, parent=root, root=root, started_at=moment, **common)
        for root in roots
        for _ in range(attempts)
    ]
    Run.objects.bulk_create(steps, batch_size=BATCH)
    step_runs = [
        StepRun(run=step, workspace=experiment.workspace, node_id=f"s{number % attempts}", name=f"s{number % attempts}")
        for number, step in enumerate(steps)
    ]
    StepRun.objects.bulk_create(step_runs, batch_size=BATCH)
    return steps


def _attempts(target: ComputeTarget, nodes: list[Any], steps: list[Run]) -> list[Attempt]:
    from django.conf import settings

    from core.clock import now
    from runs.models import Attempt

    until = now() + timedelta(seconds=settings.DUTO.lease_seconds)
    return [
        Attempt(
            run=step, workspace_id=step.workspace_id, number=1, epoch=1, compute_target=target, host=node.host, node=node,
            node_name=node.name,
            status=Attempt.Status.RUNNING, launcher="process", lease_until=until, leased_at=now(), started_at=now(),
        )
        for node, step in zip(nodes, steps, strict=True)
    ]  # fmt: skip


if __name__ == "__main__":
    open_studio()
    main(int(sys.argv[1]), int(sys.argv[2]))
