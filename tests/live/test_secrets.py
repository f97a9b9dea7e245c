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
