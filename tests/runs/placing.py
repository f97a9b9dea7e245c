"""Recorded hosts, clusters and queues, for tests of rounds of placement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compute.models import ComputeTarget, Host
from compute.services.hosts import digest_of
from core.clock import iso, now
from runs.models import Attempt
from runs.services.orchestration.run_transaction import run_transaction
from runs.services.scheduling import nodes
from runs.services.scheduling.waiting import reasons
from tests.runs.conftest import GIB, RunScenario

RECORDED = json.loads((Path(__file__).parent / "recorded" / "hosts_with_gpus.json").read_text())


def record(scenario: RunScenario, *names: str) -> dict[str, Host]:
    """Hosts as their agents once told of themselves, heard of just now."""
    scenario.host.delete()
    made = {}
    for each in RECORDED:
        if each["name"] in names:
            facts = {**each["facts"], "sample": {**each["facts"]["sample"], "at": iso(now())}}
            made[each["name"]] = Host.objects.create(
                **{**each, "facts": facts}, key_digest=digest_of(each["name"]), last_seen_at=now()
            )
    return made


def cluster(scenario: RunScenario, name: str = "gpu", **fields: Any) -> ComputeTarget:
    values = {"vm_size": "STANDARD_NC6", "cores": 6, "memory": 56 * GIB, "gpus": 1, "max_nodes": 8, "policy": "strict"}
    return ComputeTarget.objects.create(workspace=scenario.workspace, name=name, **{**values, **fields})


def queue(scenario: RunScenario, target: ComputeTarget, count: int, **fields: Any) -> list[Attempt]:
    """So many attempts that wait, one run each."""
    found = []
    root = scenario.pipeline(" -> ".join(f"s{number}" for number in range(count)))
    for number in range(count):
        step = scenario.step(root, f"s{number}")
        values = {"user": scenario.owner, "queued_at": now(), **fields}
        found.append(
            Attempt.objects.create(run=step, workspace=step.workspace, number=1, compute_target=target, **values)
        )
    return found


def placed(attempts: list[Attempt]) -> list[Attempt]:
    keys = [attempt.pk for attempt in attempts]
    return list(Attempt.objects.filter(pk__in=keys, node__isnull=False).select_related("node", "host").order_by("id"))


def end(attempt: Attempt, to: str = "failed") -> None:
    """Its node is idle again, as after every end."""
    with run_transaction(attempt.run.root_id):
        attempt.move(to)
        nodes.free_node(attempt)


def codes(attempt: Attempt) -> list[str]:
    return [reason.code for reason in reasons(Attempt.objects.get(pk=attempt.pk))]
