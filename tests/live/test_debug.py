"""`duto debug`: a failed step of a real run, started in a folder of one's own, repaired there, and started again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.live.studio import CLUSTER, Studio
from tests.live.test_command_line import Shell

pytestmark = [pytest.mark.slow]

WRITE = "import os, sys\nos.makedirs(sys.argv[1])\nopen(sys.argv[1] + '/made.txt', 'w').write('7')\n"
READ = """import os, sys
from azureml.core import Run
raw, made, out, rate = sys.argv[1:5]
run = Run.get_context()
rows = open(raw).read().split()
number = int(open(os.path.join(made, 'made.txt')).read())
print('read', rows, number, rate, os.environ['AZUREML_RUN_ID'], os.environ['FLAVOR'], os.getcwd().endswith('code'))
open(out, 'w').write('result')
run.log('rows', len(rows))
raise SystemExit('no such column' if rows[0] == 'a' else 0)
"""


@pytest.fixture
def failed(live_studio: Studio) -> str:
    """A run whose second step reads a dataset and what the first one wrote, and fails."""
    studio = live_studio
    answer = studio.rest("PUT", "datastores/workspaceblobstore/files/debug/raw.csv?overwrite=1", content=b"a\n1\n2\n")
    assert answer.status_code == 201, answer.text
    sources = [{"datastore": "workspaceblobstore", "path": "debug/raw.csv"}]
    version = studio.post(
        "datasets/",
        {"name": "debugged", "kind": "file", "definition": {"sources": sources}, "create_new_version": True},
    )
    snapshot = studio.snapshot({"write.py": WRITE, "train/read.py": READ})
    common = {
        "kind": "python_script", "snapshot": snapshot, "compute": CLUSTER, "allow_reuse": False,
        "environment": {"name": "debugged", "python": {"packages": [], "version": None}},
    }  # fmt: skip
    graph = {
        "schema": 1,
        "parameters": [{"name": "rate", "type": "float", "default": 0.5}],
        "steps": [
            {
                **common, "id": "write", "name": "write it", "script": "write.py", "arguments": [{"output": "made"}],
                "outputs": [{"name": "made"}],
            },
            {
                **common, "id": "read", "name": "read it", "script": "train/read.py",
                "arguments": [{"input": "raw"}, {"input": "made"}, {"output": "out"}, {"parameter": "rate"}],
                "inputs": [
                    {"name": "raw", "from": {"dataset": version["id"]}, "mode": "download"},
                    {"name": "made", "from": {"step": "write", "output": "made"}, "mode": "mount"},
                ],
                "outputs": [{"name": "out"}],
                "environment_variables": {"FLAVOR": "plain", "DB_PASSWORD": "hidden"},
            },
        ],
    }  # fmt: skip
    return studio.submit_graph(graph).wait("Failed").id


def test_a_failed_step_fails_here_too_and_passes_once_its_code_is_changed(
    live_studio: Studio, failed: str, tmp_path: Path
) -> None:
    shell = Shell(live_studio, tmp_path, live_studio.token("reader"))
    lying = tmp_path / "here"
    first = shell.runs("debug", failed, "read it", "--folder", "here")
    assert first.returncode == 1 and "no such column" in first.stderr, (first.stdout, first.stderr)
    assert "raw    download" in first.stdout and "debugged:" in first.stdout and "DB_PASSWORD" in first.stdout
    (step,) = [each for each in live_studio.get(f"runs/{failed}/steps/")["items"] if each["step"]["name"] == "read it"]
    log = live_studio.rest("GET", f"runs/{step['id']}/log/").text
    assert "no such column" in log  # as in the studio
    read = next(line for line in first.stdout.splitlines() if line.startswith("read ["))
    assert read == f"read ['a', '1', '2'] 7 0.5 {step['id']} plain True"
    assert "exit code 1" in first.stderr and f"1 metric value in {lying / 'metrics.jsonl'}" in first.stderr
    assert (lying / "outputs/out").read_text() == "result" and (lying / ".venv/bin/python").exists()
    assert live_studio.token("reader") not in "".join(
        path.read_text(errors="replace") for path in lying.rglob("*") if path.is_file() and ".venv" not in path.parts
    )
    assert "hidden" not in (lying / ".duto/start.json").read_text()

    script = lying / "code/train/read.py"
    script.write_text(script.read_text().replace("rows[0] == 'a'", "rows[0] == 'b'"))
    again = shell.runs("debug", failed, "read it", "-f", "here")
    assert again.returncode == 0, (again.stdout, again.stderr)
    assert "Changed here, and kept: train/read.py" in again.stdout
    (logged,) = [json.loads(line) for line in (lying / "metrics.jsonl").read_text().splitlines()]
    assert (logged["op"], logged["name"], logged["value"]) == ("metric", "rows", 3)
    assert shell.runs("debug", failed, "write it", "-f", "here").returncode == 1  # the folder is another step's
    assert "read it" in shell.says("debug", failed, code=1) and shell.says("debug", failed, "nobody", code=4)
