"""A parallel step on its host: the driver that is started instead of its script, and what it is told (docs/parallel.md)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from msgspec import UNSET

from duto.spec.parallel import KIND
from duto.spec.sentences import Said, said
from duto_agent.attempt.bindings import Bound
from duto_agent.launchers.ownership import LEDGER
from duto_agent.paths import inside, plain_name
from duto_agent.studio.transfers import Transfers
from duto_protocol.messages import LaunchSpec

VARIABLE = "DUTO_PARALLEL"
EARLIER = "tmp/earlier"


def variables(directory: Path, spec: LaunchSpec) -> dict[str, str]:
    """What the driver is told; nothing for a step of another kind."""
    if spec.kind != KIND:
        return {}
    forms = {each.name: each.partition_format for each in spec.inputs if each.partition_format is not UNSET}
    told = {
        "settings": spec.settings,
        "partition_formats": forms,
        "cores": max(1, int(spec.limits.cores)) if spec.limits.cores else os.cpu_count() or 1,
        "folder": str(directory / "tmp/parallel"),
        "ledger": str(directory / LEDGER),
        "earlier": [str(directory / EARLIER / plain_name(each.path)) for each in spec.ledgers],
    }
    return {VARIABLE: json.dumps(told)}


def bring(directory: Path, spec: LaunchSpec, bound: Bound, transfers: Transfers) -> None:
    """A ledger for the driver, and those of earlier attempts, from which it goes on, with what the script wrote then."""
    if spec.kind == KIND:
        (directory / LEDGER).touch()
    for each in spec.ledgers:
        target = directory / EARLIER / plain_name(each.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        transfers.bring(each, target)
    for each in spec.kept:
        target = inside(Path(bound.outputs[str(spec.settings["output"])]), each.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        transfers.bring(each, target)


def warnings(spec: LaunchSpec) -> list[Said]:
    """What a person is to know of how it runs here."""
    nodes = spec.settings.get("node_count") if spec.kind == KIND else None
    try:
        count = int(nodes or 1)
    except (TypeError, ValueError):
        return []  # the driver refuses it
    return [said("nodes_on_one_host", count=count)] if count > 1 else []
