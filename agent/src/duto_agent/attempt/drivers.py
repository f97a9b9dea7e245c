"""Steps whose script a driver runs: what the driver is told, and the ledger that it keeps (docs/parallel.md, docs/spark.md)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from msgspec import UNSET

from duto.spec import parallel, spark
from duto.spec.kinds import KINDS
from duto.spec.sentences import Said, said
from duto_agent.attempt.bindings import Bound
from duto_agent.launchers.ownership import LEDGER
from duto_agent.paths import inside, plain_name
from duto_agent.studio.transfers import Transfers
from duto_protocol.messages import LaunchSpec

PARALLEL, SPARK = "DUTO_PARALLEL", "DUTO_SPARK"
EARLIER = "tmp/earlier"
# What the studio has answered to the driver of a node that shares a step with others.
ANSWERS = "tmp/shares.json"


def keeps_ledger(spec: LaunchSpec) -> bool:
    """Whether a step of its kind tells of itself in a ledger."""
    return spec.kind in KINDS and bool(KINDS[spec.kind].ledger)


def shares(spec: LaunchSpec) -> bool:
    """Whether other nodes have some of its mini-batches."""
    return spec.kind == parallel.KIND and spec.member is not None


def own_output(spec: LaunchSpec) -> str:
    """The output into which the script of a parallel step writes itself."""
    is_own = str(spec.settings.get("output_action", "")).strip().lower() == parallel.SUMMARY_ONLY
    return str(spec.settings.get("output") or "") if is_own else ""


def variables(directory: Path, spec: LaunchSpec) -> dict[str, str]:
    """What the driver is told; nothing for a step without one."""
    facts: dict[str, Any] = {
        "settings": spec.settings,
        "cores": max(1, int(spec.limits.cores)) if spec.limits.cores else os.cpu_count() or 1,
        "ledger": str(directory / LEDGER),
    }
    if spec.kind == parallel.KIND:
        forms = {each.name: each.partition_format for each in spec.inputs if each.partition_format is not UNSET}
        earlier = [str(directory / EARLIER / plain_name(each.path)) for each in spec.ledgers]
        if spec.member is not None:
            shared = {"rank": spec.member.rank, "answers": str(directory / ANSWERS), "folder": str(directory / EARLIER)}
            facts |= {"shared": shared}
        facts |= {"partition_formats": forms, "folder": str(directory / "tmp/parallel"), "earlier": earlier}
        return {PARALLEL: json.dumps(facts)}
    if spec.kind in spark.KINDS:
        facts |= {
            "master": spec.spark_master,
            "memory": spec.limits.memory or None,
            "folder": str(directory / "tmp/spark"),
        }
        return {SPARK: json.dumps(facts)}
    return {}


def bring(directory: Path, spec: LaunchSpec, bound: Bound, transfers: Transfers) -> None:
    """A ledger for the driver, and those of earlier attempts, from which it goes on, with what the script wrote then."""
    if keeps_ledger(spec):
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
    nodes = spec.settings.get("node_count") if spec.kind == parallel.KIND and spec.member is None else None
    try:
        count = int(nodes or 1)
    except (TypeError, ValueError):
        return []  # the driver refuses it
    return [said("nodes_on_one_host", count=count)] if count > 1 else []
