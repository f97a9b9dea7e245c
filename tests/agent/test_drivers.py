"""What the driver of a step is told, and who keeps a ledger."""

from __future__ import annotations

import json
from pathlib import Path

from duto_agent.attempt import drivers
from duto_protocol.messages import LaunchSpec, Limits


def test_the_driver_of_a_spark_step_is_told_of_its_node_and_its_master() -> None:
    spec = LaunchSpec(kind="databricks", settings={"num_executors": 2}, limits=Limits(cores=2.0, memory=1 << 30), spark_master="spark://m:1")  # fmt: skip
    (found,) = map(json.loads, drivers.variables(Path("/a"), spec).values())
    assert found == {
        "settings": {"num_executors": 2}, "cores": 2, "memory": 1 << 30, "master": "spark://m:1",
        "folder": "/a/tmp/spark", "ledger": "/a/ledger.jsonl",
    }  # fmt: skip
    kept = {
        kind: drivers.keeps_ledger(LaunchSpec(kind=kind)) for kind in ("spark", "parallel_run", "command", "unknown")
    }
    assert kept == {"spark": True, "parallel_run": True, "command": False, "unknown": False}
    assert drivers.variables(Path("/a"), LaunchSpec(kind="command")) == {}
