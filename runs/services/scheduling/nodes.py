"""Nodes of clusters come, are free again, and go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compute.models import ComputeTarget, Node
from compute.placement_types import NewNode
from core import outbox, sentences
from core.clock import now
from core.ids import uuid7
from runs.models import Attempt


def make_node(target: ComputeTarget, new: NewNode, gpus: Sequence[str] = ()) -> Node:
    """A node on this host comes at once: preparing takes no artificial time."""
    key = uuid7()
    return Node(
        id=key,
        compute_target=target,
        host_id=new.host,
        name=f"{target.name}-{key.hex[-6:]}",
        cores=new.takes.cores,
        memory=new.takes.memory,
        gpus=list(gpus),
        warning=sentences.text_of(new.warning or ""),
        said=(new.warning and sentences.parts_of(new.warning)) or {},
        status=Node.Status.IDLE,
        idle_since=now(),
    )


def free_node(attempt: Attempt) -> None:
    """The attempt is over: its node is idle again. Called inside the transaction that ends the attempt.

    The node is looked up, not taken from the object: a round may have given one while the attempt was being canceled.
    """
    mine = Attempt.objects.filter(pk=attempt.pk).values("node")
    Node.objects.filter(pk__in=mine, status=Node.Status.RUNNING).update(status=Node.Status.IDLE, idle_since=now())


def free_nodes(attempts: Sequence[Attempt]) -> None:
    """The same of many at once."""
    mine = Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts], node__isnull=False).values("node")
    if attempts:
        Node.objects.filter(pk__in=mine, status=Node.Status.RUNNING).update(status=Node.Status.IDLE, idle_since=now())


def remove(nodes: Sequence[Node]) -> None:
    """Let these nodes go."""
    if nodes:
        Node.move_all(nodes, Node.Status.LEAVING)
        Node.objects.filter(pk__in=[node.pk for node in nodes]).delete()


def tell(targets: Iterable[ComputeTarget]) -> None:
    """Pages of these clusters look again."""
    for name in {target.workspace.name for target in targets}:
        outbox.hint(f"list:{name}:compute")
