"""Where a step would like to run: where its environment stands, where its inputs are in the cache, and where the steps before
it have run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from compute.fair_queue import FairQueue, User
from compute.models import Host
from compute.placement_types import PlacementRequest, Size, capacity
from duto.spec.graph import Input, Step
from environments.models import EnvironmentVersion, Image
from runs import input_sources
from runs.models import Attempt, Run, StepRun
from runs.queries.graphs import parsed_all
from runs.services.scheduling.cluster_state import ClusterState

# An environment's folder is named by so much of its lock's digest, and the Python.
KEY = 40
Hosts = frozenset[UUID]


class Affinity(NamedTuple):
    """The hosts that have the step's environment, those that wrote its inputs, and the bytes of these in the caches of hosts."""

    ready: Hosts
    inputs: Hosts
    cached: Mapping[UUID, int]


def add(
    needs: Sequence[PlacementRequest], held: Mapping[User, Size], queue: Sequence[Attempt], found: ClusterState
) -> list[PlacementRequest]:
    """The same needs with where they would best run: where there is a choice, and for as many of each cluster as it has room for.

    They are the first in the queue, so a preference that is not looked up is one of a step that will hardly be placed now.
    """
    if len(found.host_states) < 2:
        return list(needs)
    first = _first(needs, held, found)
    liked = of([attempt for attempt in queue if attempt.pk in first], found)
    return [replace(need, **liked[need.id]._asdict()) if need.id in liked else need for need in needs]


def _first(needs: Sequence[PlacementRequest], held: Mapping[User, Size], found: ClusterState) -> set[UUID]:
    """Who is served while each cluster has room."""
    free = {key: found.capacity_of(key) for key in found.targets}
    takes = {cluster.id: cluster.size for cluster in found.clusters}
    queue, first = FairQueue(needs, held, capacity(found.host_states)), set()
    left = sum(free.values())
    while left and (need := queue.next()) is not None:
        if not free.get(need.cluster):
            queue.passed()
            continue
        left -= 1
        free[need.cluster] -= 1
        first.add(need.id)
        queue.given(takes[need.cluster])
    return first


def of(queue: Sequence[Attempt], found: ClusterState) -> dict[UUID, Affinity]:
    """What these attempts prefer, in seven statements at most, however many they are."""
    fields = ("run_id", "run__root_id", "node_id", "environment_version_id")
    rows = StepRun.objects.filter(run__in=[attempt.run_id for attempt in queue]).values_list(*fields)
    steps = {run: (root or run, node, version) for run, root, node, version in rows}
    ready = having({version for _, _, version in steps.values() if version}, list(found.hosts.values()))
    graphs = parsed_all({root for root, _, _ in steps.values()})
    # A trial is no step of its root's graph.
    before = {
        run: graphs[root].steps[node].parents if node in graphs[root].steps else frozenset()
        for run, (root, node, _) in steps.items()
    }
    wrote = _wrote({root for root, _, _ in steps.values()}, {node for nodes in before.values() for node in nodes})
    reads = {run: graphs[root].steps.get(node) for run, (root, node, _) in steps.items()}
    cached = _cached({run: (steps[run][0], step) for run, step in reads.items() if step}, list(found.hosts.values()))
    affinities = {}
    for attempt in queue:
        root, _, version = steps[attempt.run_id]
        inputs = (wrote.get((root, node), frozenset()) for node in before[attempt.run_id])
        affinities[attempt.pk] = Affinity(
            ready.get(version, frozenset()), frozenset().union(*inputs), cached.get(attempt.run_id, {})
        )
    return affinities


def _cached(steps: Mapping[UUID, tuple[UUID, Step]], hosts: Sequence[Host]) -> dict[UUID, dict[UUID, int]]:
    """For each of these runs (with its root and step) the bytes of its inputs that hosts tell to have. Nothing is asked where no
    host has any, or no step reads any."""
    telling = [host for host in hosts if isinstance(host.cached_inputs, dict) and host.cached_inputs]
    reading = {run: (root, step) for run, (root, step) in steps.items() if step.inputs}
    if not telling or not reading:
        return {}
    roots = {root for root, _step in reading.values()}
    facts = {
        key: (workspace, parameters)
        for key, workspace, parameters in Run.objects.filter(pk__in=roots).values_list(
            "pk", "workspace_id", "parameters"
        )
    }
    writers = {each.step for _root, step in reading.values() for each in step.inputs if each.step is not None}
    rows = StepRun.objects.filter(run__root__in=roots, node_id__in=writers) if writers else StepRun.objects.none()
    written = {
        (root, node): digests for root, node, digests in rows.values_list("run__root_id", "node_id", "output_digests")
    }
    found: dict[UUID, dict[UUID, int]] = {}
    for run, (root, step) in reading.items():
        workspace, parameters = facts[root]
        sources = {_source(each, root, workspace, parameters, written) for each in step.inputs}
        sizes = {host.pk: sum(_size(host.cached_inputs.get(source)) for source in sources) for host in telling}
        found[run] = {host: size for host, size in sizes.items() if size}
    return found


def _source(
    read: Input,
    root: UUID,
    workspace: UUID,
    parameters: Mapping[str, Any],
    written: Mapping[tuple[UUID | None, str], Mapping[str, Any]],
) -> str:
    """The name of what an input reads; empty where that is not known."""
    if read.step is not None:
        place = (written.get((root, read.step)) or {}).get(str(read.output))
        return input_sources.of_read(place) if place else ""
    value = parameters.get(read.parameter) if read.parameter is not None else read.dataset
    if isinstance(value, str):
        return input_sources.of_dataset(value)
    place = value if isinstance(value, Mapping) else {"datastore": read.datastore, "path": read.path}
    return input_sources.of_place(workspace, str(place.get("datastore")), str(place.get("path") or ""))


def _size(value: Any) -> int:
    return value if isinstance(value, int) else 0


def having(versions: set[UUID], hosts: Sequence[Host]) -> dict[UUID, Hosts]:
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
