"""Graph documents of small scripts: no data, no packages, one cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from benchmarks.rest import Rest

NOTHING = "pass\n"
CLUSTER, NODES = "bench", 2
SCRIPT = "step.py"
# The floor is a bare Python: nothing but the standard library is to be imported here, either.
USER_MANAGED = {"python": {"user_managed": True}}


def make_cluster(rest: Rest) -> None:
    """Two nodes of one core that stay."""
    if CLUSTER not in {each["name"] for each in rest.get("compute/")["items"]}:
        size = {"vm_size": "STANDARD_DS1_V2", "min_nodes": NODES, "max_nodes": NODES}
        rest.post("compute/", {"name": CLUSTER, **size})


def upload(rest: Rest, source: str) -> str:
    """Bring a script the way the SDK does: missing blobs, then the manifest. Its digest names the snapshot."""
    data = source.encode()
    digest = hashlib.sha256(data).hexdigest()
    if rest.post("blobs/missing/", {"digests": [digest]})["missing"]:
        rest.put(f"blobs/{digest}/", data)
    files = [{"path": SCRIPT, "digest": digest, "size": len(data), "executable": False}]
    return str(rest.post("snapshots/", {"schema": 1, "files": files})["digest"])


def step(snapshot: str, name: str, after: Sequence[str] = (), *, reuse: bool = False, **more: Any) -> dict[str, Any]:
    """One step of a script without data."""
    return {
        "id": name,
        "name": name,
        "kind": "python_script",
        "script": SCRIPT,
        "snapshot": snapshot,
        "compute": CLUSTER,
        "environment": USER_MANAGED,
        "arguments": [name],
        "run_after": list(after),
        "allow_reuse": reuse,
        **more,
    }


def chain(snapshot: str, count: int, *, reuse: bool = False) -> dict[str, Any]:
    """Steps in a row."""
    names = [f"step-{number:03}" for number in range(count)]
    befores = [[], *([name] for name in names)]
    return graph([step(snapshot, name, before, reuse=reuse) for name, before in zip(names, befores, strict=False)])


def fan(snapshot: str, count: int) -> dict[str, Any]:
    """Steps that do not know each other."""
    return graph([step(snapshot, f"step-{number:03}") for number in range(count)])


def graph(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The document around them."""
    return {"schema": 1, "steps": steps, "parameters": []}


def submission(document: dict[str, Any], kind: str = "pipeline") -> dict[str, Any]:
    """The body of POST runs/."""
    return {"experiment": "bench", "kind": kind, "graph": json.loads(json.dumps(document)), "parameters": {}}
