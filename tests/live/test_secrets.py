"""A secret on its whole way: set by a program, given to a step, and nowhere to be found afterwards."""

from __future__ import annotations

import pytest

from tests.live.studio import Studio

pytestmark = [pytest.mark.slow]
VALUE = "tr0ub4dor-nowhere\nsecond-line-nowhere"
SCRIPT = """
import subprocess, sys
from azureml.core import Run

run = Run.get_context(allow_offline=False)
value = run.get_secret("db-password")
assert value == "tr0ub4dor-now" "here" + chr(10) + "second-line-now" "here", "it is another value"
print("value:", value, "missing:", run.get_secret("missing"))
subprocess.run([sys.executable, "-c", "import sys; print('child: ' + sys.stdin.read())"], input=value, text=True, check=True)
run.log("length", len(value))
raise ValueError(f"refused: {value.splitlines()[0]}")
"""


def test_a_step_is_given_a_secret_that_nothing_keeps(live_studio: Studio) -> None:
    assert live_studio.rest("POST", "secrets/", json={"secrets": {"db-password": VALUE}}).status_code == 204
    run = live_studio.submit({"ask": SCRIPT}).wait("Failed")
    log = run.log("ask")
    assert b"value: *** missing: None" in log and b"child: ***" in log and b"ValueError: refused: ***" in log
    assert "refused: ***" in str(run.step("ask")["error"])
    read = live_studio.rest("GET", "audit/", role="owner", params={"action": "secret.read"}).json()["items"]
    assert [(each["target"], each["via"], each["through"]) for each in read] == [
        ("db-password", "run", run.step("ask")["id"])
    ]
    folders = (live_studio.data_dir, live_studio.home)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    assert [path for path in files if b"-nowhere" in path.read_bytes()] == []


PARAMETERS = [
    {"name": "password", "type": "string", "default": "", "secret": True},
    {"name": "options", "type": "json", "default": {"b": 1, "a": [True]}},
    {"name": "layers", "type": "list", "default": ["é", "x y"]},
    {"name": "since", "type": "datetime", "default": "2024-05-31T14:30:00+02:00"},
]
READ = """
import json, os, sys
from datetime import datetime

password, options, layers, since = sys.argv[1:]
print("given:", password, os.environ["AML_PARAMETER_PASSWORD"])
print(json.loads(options), json.loads(layers), datetime.fromisoformat(since).hour)
sys.exit(f"refused: {password}")
"""


def test_a_step_is_given_a_secret_parameter_that_its_log_hides(live_studio: Studio) -> None:
    graph = live_studio.graph(
        {"read": READ},
        arguments=[{"parameter": each["name"]} for each in PARAMETERS],
        params={"PASSWORD": {"parameter": "password"}},
    )
    graph["parameters"] = PARAMETERS
    run = live_studio.submit_graph(graph, parameters={"password": "tr0ub4dor-anywhere"}).wait("Failed")
    log = run.log("read").decode()
    assert "given: *** ***" in log and "{'a': [True], 'b': 1} ['é', 'x y'] 12" in log and "refused: ***" in log
    assert "tr0ub4dor" not in str([run.facts, run.step("read")])
    files = [path for path in live_studio.data_dir.rglob("*") if path.is_file() and not path.is_symlink()]
    # What its host needs to start it lies in the attempt's folder until that goes.
    kept = {path.name for path in files if b"tr0ub4dor-anywhere" in path.read_bytes()}
    assert len(files) > 20 and kept <= {"spec.json", "launch.json"}
