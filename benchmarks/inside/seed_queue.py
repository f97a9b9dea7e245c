"""A database of its own with hosts, idle nodes and very many steps that wait for them."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.inside import fresh_studio, tell

if TYPE_CHECKING:
    from compute.models import Host

# Nodes of two cores on hosts of twenty, ten on each; half of them are there, half would come.
CORES, ON_A_HOST, MEMORY = 2, 10, 4 << 30
# Users with runs whose first step is done: each run's other steps wait.
USERS, STEPS, BATCH = 10, 20, 2000
KEYS = ("lock", "other")


def main(wanted: int, nodes: int) -> None:
    """Add waiting steps until there are so many, and the nodes if there are none yet."""
    from django.db import connection

    from runs.models import Attempt

    world = World(nodes)
    there = Attempt.objects.filter(status=Attempt.Status.QUEUED).count()
    for first in range(there, wanted, BATCH):
        world.add(first, min(first + BATCH, wanted))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    tell(queued=Attempt.objects.filter(status=Attempt.Status.QUEUED).count())


class World:
    """The workspace, its users, hosts and cluster, made once and found again."""

    def __init__(self, nodes: int) -> None:
        from compute.models import ComputeTarget, Host
        from runs.models import Experiment
        from workspaces.models import User, Workspace
        from workspaces.services.workspaces import create_workspace

        names = [f"user{number}" for number in range(USERS)]
        self.users = [User.objects.get_or_create(username=name)[0] for name in names]
        known = Workspace.objects.filter(name="main").first()
        self.workspace = known or create_workspace(self.users[0], "main").workspace
        self.experiment = Experiment.objects.get_or_create(workspace=self.workspace, name="queue")[0]
        values = {"vm_size": "STANDARD_D2_V2", "cores": CORES, "memory": MEMORY, "max_nodes": nodes, "policy": "strict"}
        self.cluster = ComputeTarget.objects.get_or_create(workspace=self.workspace, name="many", defaults=values)[0]
        self.versions = [self._environment(key) for key in KEYS]
        if known is None:
            self._make_hosts(nodes)
        self.hosts = list(Host.objects.order_by("name"))

    def add(self, first: int, last: int) -> None:
        """Steps `first` to `last`: runs of a step that is done and such that wait for a node."""
        from runs.models import Attempt, Run, StepRun

        roots, runs, steps, attempts = [], [], [], []
        for begin in range(first, last, STEPS):
            many = min(STEPS, last - begin)
            root = self._root(begin // STEPS, many)
            roots.append(root)
            for number in range(many + 1):
                run = Run(workspace=self.workspace, experiment=self.experiment, kind=Run.Kind.STEP, parent=root, root=root,
                          status="Queued" if number else "Completed")  # fmt: skip
                runs.append(run)
                steps.append(StepRun(run=run, workspace=self.workspace, node_id=f"s{number}", name=f"s{number}",
                                     environment_version_id=self.versions[number % len(KEYS)].pk))  # fmt: skip
                attempts.append(self._attempt(run, root, begin, number))
        Run.objects.bulk_create(roots)
        Run.objects.bulk_create(runs)
        StepRun.objects.bulk_create(steps)
        Attempt.objects.bulk_create(attempts)

    def _root(self, number: int, many: int) -> Any:
        from runs.models import Run

        step = {"kind": "python_script", "script": "step.py", "snapshot": "0" * 64, "compute": "many",
                "environment": {"python": {"user_managed": True}}, "arguments": [], "inputs": [], "outputs": []}  # fmt: skip
        named = [{**step, "id": f"s{each}", "name": f"s{each}", "run_after": ["s0"][:each]} for each in range(many + 1)]
        root = Run(workspace=self.workspace, experiment=self.experiment, kind=Run.Kind.PIPELINE, number=number + 1,
                   status="Running", graph={"schema": 1, "steps": named, "parameters": []})  # fmt: skip
        root.root = root
        root.submitted_by = self.users[number % USERS]
        return root

    def _attempt(self, run: Any, root: Any, begin: int, number: int) -> Any:
        from core.clock import now
        from runs.models import Attempt

        at = begin // STEPS
        common = {
            "run": run,
            "workspace": self.workspace,
            "number": 1,
            "compute_target": self.cluster,
            "user": root.submitted_by,
        }
        if number:
            return Attempt(**common, status="queued", queued_at=now(), priority=1 if at % 7 == 0 else 0)
        return Attempt(**common, status="completed", host=self.hosts[at % len(self.hosts)], finished_at=now())

    def _environment(self, key: str) -> Any:
        from environments.models import EnvironmentBuild, EnvironmentVersion

        digest = key.ljust(64, "0")
        known = EnvironmentVersion.objects.filter(workspace=self.workspace, digest=digest).first()
        if known is not None:
            return known
        build = EnvironmentBuild.objects.create(recipe_digest=digest, lock_digest=digest, status="ready", recipe={})
        return EnvironmentVersion.objects.create(
            workspace=self.workspace, definition={}, digest=digest, recipe_digest=digest, build=build
        )

    def _make_hosts(self, nodes: int) -> None:
        from compute.models import Host, Node
        from core.clock import now

        hosts: list[Host] = [
            Host(name=f"host{number:03}", key_digest=f"host{number}", cores=CORES * ON_A_HOST, memory=MEMORY * ON_A_HOST,
                 environments=[KEYS[number % len(KEYS)].ljust(64, "0")], last_seen_at=now() + timedelta(days=1))
            for number in range(-(-nodes // ON_A_HOST))
        ]  # fmt: skip
        Host.objects.bulk_create(hosts)
        Node.objects.bulk_create(
            Node(compute_target=self.cluster, host=hosts[number % len(hosts)], name=f"node{number}", cores=CORES,
                 memory=MEMORY, status=Node.Status.IDLE, idle_since=now())
            for number in range(nodes // 2)
        )  # fmt: skip


if __name__ == "__main__":
    fresh_studio()
    main(int(sys.argv[1]), int(sys.argv[2]))
