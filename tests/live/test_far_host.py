"""A host that does not share the studio's disk: every byte goes through the agents' API, in both directions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.studio import Studio

pytestmark = [pytest.mark.slow]

WRITE = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
(place / "deep").mkdir(parents=True)
(place / "deep" / "a b.txt").write_text("from far away")
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs", "note.txt").write_text("kept")
print("written")
"""
READ = """
import pathlib, sys
print((pathlib.Path(sys.argv[1]) / "deep" / "a b.txt").read_text())
"""


@pytest.fixture(scope="module")
def far_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Its agent looks for the marker of another store, and so finds none that it may read."""
    made = Studio(tmp_path_factory.mktemp("far"))
    try:
        made.start()
        made.ensure_cluster()
        file = made.data_dir / "agent" / "host.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "store_marker": "another"}))
        made.strike("agent")
        yield made
    finally:
        made.stop()


def test_code_inputs_outputs_and_artifacts_travel_through_the_api(far_studio: Studio) -> None:
    graph = far_studio.graph({"write": WRITE, "read": READ})
    steps: dict[str, dict[str, Any]] = {step["id"]: step for step in graph["steps"]}
    output = {"name": "data", "kind": "pipeline_data", "datastore": "workspaceblobstore", "mode": "mount"}
    steps["write"] |= {"outputs": [output], "arguments": [{"output": "data"}]}
    source = {"name": "data", "from": {"step": "write", "output": "data"}, "mode": "mount"}
    steps["read"] |= {"inputs": [source], "arguments": [{"input": "data"}]}
    run = far_studio.submit_graph(graph).wait()
    assert run.log("read") == b"from far away\n"
    step = run.step("write")
    (kept,) = (
        each for each in far_studio.get(f"runs/{step['id']}/artifacts/")["items"] if each["path"] == "outputs/note.txt"
    )
    assert kept["size"] == 4
    (items,) = far_studio.get(f"runs/{step['id']}/outputs/")["items"]
    assert (items["path"], items["file_count"]) == (f"azureml/{step['id']}/data", 1)
    # Where bytes wait that did not come by the shared disk: it was used, and is empty again.
    assert list((far_studio.data_dir / "staging").iterdir()) == []
