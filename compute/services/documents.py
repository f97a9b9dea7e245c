"""A cluster as REST and pages show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compute.models import ComputeTarget, Host
from compute.services import status
from core.clock import iso


def target_document(target: ComputeTarget, hosts: Sequence[Host], *, with_nodes: bool = False) -> dict[str, Any]:
    """One cluster; its nodes and hosts are prefetched. The list leaves out which run is on which node."""
    nodes = list(target.nodes.all())
    document: dict[str, Any] = {
        "id": str(target.pk),
        "name": target.name,
        "type": target.type,
        "description": target.description,
        "vm_size": target.vm_size,
        "vm_priority": target.vm_priority,
        "cores": target.cores,
        "memory": target.memory,
        "gpus": target.gpus,
        "min_nodes": target.min_nodes,
        "max_nodes": target.max_nodes,
        "idle_seconds": target.idle_seconds,
        "policy": target.policy,
        "hosts": [host.name for host in target.hosts.all()],
        "launcher": target.launcher,
        "network": target.network,
        "spark_master": target.spark_master,
        "container_options": target.container_options,
        "tags": target.tags,
        "created_at": iso(target.created_at),
        "modified_at": iso(target.modified_at),
        "provisioning_state": status.provisioning_state(target),
        "status": status.status_document(target, nodes),
        "warnings": status.warnings_of(target, hosts),
    }
    if with_nodes:
        document["nodes"] = status.node_documents(nodes)
    return document
