"""What the studio is told of a cluster's nodes: sums by partition and state, and some nodes by name. Pure.

It travels with every exchange, so its size does not grow with the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from duto_agent.slurm.client import Held, SlurmNode
from duto_protocol import messages
from duto_protocol.messages import GROUPS_MOST, NODES_MOST, SlurmGroup, SlurmNodes, SlurmShare
from duto_protocol.values import Moment

MIB = 1 << 20
FIELDS = SlurmShare.__struct_fields__


def summary(nodes: Sequence[SlurmNode], ours: Mapping[str, Held], at: Moment) -> SlurmNodes:
    """`ours`: what jobs of this studio's hold of which node."""
    shares = [(node, share_of(node, ours.get(node.name, Held()))) for node in nodes]
    by_group: dict[tuple[str, str], list[SlurmShare]] = {}
    for node, share in shares:
        for partition in node.partitions:
            by_group.setdefault((partition, node.state), []).append(share)
    largest = sorted(by_group.items(), key=lambda item: -len(item[1]))[:GROUPS_MOST]
    groups = [
        SlurmGroup(partition=partition, state=state, nodes=len(of), **_sums(of)) for (partition, state), of in largest
    ]
    first = sorted(shares, key=lambda item: (item[0].name not in ours, item[0].name))[:NODES_MOST]
    named = [
        messages.SlurmNode(name=node.name, state=node.state, partitions=list(node.partitions), **_sums([share]))
        for node, share in first
    ]
    return SlurmNodes(
        at=at,
        count=len(nodes),
        total=SlurmShare(**_sums(share for _, share in shares)),
        groups=sorted(groups, key=lambda group: (group.partition, group.state)),
        groups_left=len(by_group) - len(groups),
        named=named,
    )


def share_of(node: SlurmNode, ours: Held) -> SlurmShare:
    """What a node has and what is held of it. The two come from two questions: ours is at most what is held."""
    return SlurmShare(
        cores=node.cores,
        cores_held=node.cores_held,
        cores_ours=min(ours.cores, node.cores_held),
        memory=node.memory * MIB,
        memory_held=node.memory_held * MIB,
        memory_ours=min(ours.memory, node.memory_held) * MIB,
        gpus=node.gpus,
        gpus_held=node.gpus_held,
        gpus_ours=min(ours.gpus, node.gpus_held),
    )


def _sums(shares: Iterable[SlurmShare]) -> dict[str, int]:
    every = list(shares)
    return {name: sum(getattr(each, name) for each in every) for name in FIELDS}
