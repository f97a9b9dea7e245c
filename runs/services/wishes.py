"""Where a step would like to run: where its environment stands, and where the steps before it have run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from compute.models import Host
from environments.models import EnvironmentVersion, Image
from runs.models import Attempt, StepRun
from runs.services.board import parsed_needs
from runs.services.fleet import Fleet

# An environment's folder is named by so much of its lock's digest, and the Python.
KEY = 40
Hosts = frozenset[UUID]


class Wish(NamedTuple):
    """The hosts that have the step's environment, and those that wrote its inputs."""

    ready: Hosts
    inputs: Hosts


def of(queue: Sequence[Attempt], found: Fleet) -> dict[UUID, Wish]:
    """The wishes of these attempts, in four statements at most, however many they are."""
    fields = ("run_id", "run__root_id", "node_id", "environment_version_id")
    rows = StepRun.objects.filter(run__in=[attempt.run_id for attempt in queue]).values_list(*fields)
    steps = {run: (root or run, node, version) for run, root, node, version in rows}
    ready = _ready({version for _, _, version in steps.values() if version}, list(found.hosts.values()))
    before = {run: parsed_needs(root)[node] for run, (root, node, _) in steps.items()}
    wrote = _wrote({root for root, _, _ in steps.values()}, {node for nodes in before.values() for node in nodes})
    wishes = {}
    for attempt in queue:
        root, _, version = steps[attempt.run_id]
        inputs = (wrote.get((root, node), frozenset()) for node in before[attempt.run_id])
        wishes[attempt.pk] = Wish(ready.get(version, frozenset()), frozenset().union(*inputs))
    return wishes


def _ready(versions: set[UUID], hosts: Sequence[Host]) -> dict[UUID, Hosts]:
    """The hosts that have each environment: as a folder, or as an image."""
    rows = EnvironmentVersion.objects.filter(pk__in=versions).values_list("pk", "build__lock_digest")
    locks = {version: digest for version, digest in rows if digest} if versions else {}
    images: set[tuple[UUID, str]] = set()
    if locks and any(host.launcher == Host.Launcher.DOCKER for host in hosts):
        there = Image.objects.filter(lock_digest__in=locks.values(), status=Image.Status.READY)
        images = set(there.values_list("host_id", "lock_digest"))
    return {
        version: frozenset(
            host.pk
            for host in hosts
            if (host.pk, digest) in images or any(str(key).startswith(digest[:KEY]) for key in host.environments)
        )
        for version, digest in locks.items()
    }


def _wrote(roots: set[UUID], nodes: set[str]) -> dict[tuple[UUID, str], Hosts]:
    """Which hosts completed these steps of these runs."""
    if not nodes:
        return {}
    done = Attempt.objects.filter(
        run__root__in=roots, run__step__node_id__in=nodes, status=Attempt.Status.COMPLETED, host__isnull=False
    )
    found: dict[tuple[UUID, str], Hosts] = {}
    for root, node, host in done.values_list("run__root_id", "run__step__node_id", "host_id"):
        if root is None or host is None:
            continue
        found[(root, node)] = found.get((root, node), frozenset()) | {host}
    return found
